/** Asks the first framebuffer device what it shows. */

import { fail } from "../../core/error.ts";
import {
  FBIOGET_FSCREENINFO,
  FBIOGET_VSCREENINFO,
  FbFixScreeninfo,
  FbVarScreeninfo,
  parseFramebuffer,
} from "../../facts/framebuffer.ts";
import type { FramebufferFacts } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

/** ioctl(2): fills `argument`; returns 0 or more, or -errno. */
export type Ioctl = (fd: number, request: number, argument: Uint8Array) => number;

const FB0 = "/dev/fb0";

/** null, and a note, where there is no framebuffer or it does not answer. */
export function readFramebuffer(
  files: PseudoFiles,
  ioctl: Ioctl,
  notes: string[],
): FramebufferFacts | null {
  return attempt(notes, () =>
    files.opened(FB0, (fd) => {
      const ask = (request: number, name: string, size: number): Uint8Array => {
        const answer = new Uint8Array(size);
        const result = ioctl(fd, request, answer);
        if (result >= 0) return answer;
        return fail({
          code: "facts.framebuffer",
          message: `${FB0}: ioctl ${name} failed with error ${-result}`,
        });
      };
      return parseFramebuffer(
        ask(FBIOGET_FSCREENINFO, "FBIOGET_FSCREENINFO", FbFixScreeninfo.size),
        ask(FBIOGET_VSCREENINFO, "FBIOGET_VSCREENINFO", FbVarScreeninfo.size),
      );
    }),
  );
}
