/** What both kexecs tell a multiboot2 image. */

import { expect, test } from "bun:test";
import { Multiboot2TagType } from "../../src/arch/x86-64/handoff/multiboot2-info.ts";
import { textUntilNul } from "../../src/core/bytes.ts";
import { TIMEOUT_MS } from "./compare.ts";
import { difference } from "./differences.ts";
import { MULTIBOOT2 as IMAGE } from "./inputs.ts";
import { loadBytes } from "./loaded.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

/** The command line in what `binary` tells the image. */
async function commandLine(binary: string, options: readonly string[]): Promise<string> {
  const machine = { cmdline: "BOOT_IMAGE=x root=/dev/sda1 quiet\n" };
  const { outcome, memory } = await loadBytes(binary, ["-c", "-l", IMAGE, ...options], machine);
  expect(outcome.status).toBe(0);
  for (const segment of memory) {
    const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
    const isInfo =
      segment.length > 16 && view.getUint32(8, true) === Multiboot2TagType.basicMeminfo;
    for (let at = 8; isInfo && at + 8 < segment.length; ) {
      const size = view.getUint32(at + 4, true);
      if (view.getUint32(at, true) === Multiboot2TagType.cmdline) {
        return textUntilNul(segment.subarray(at + 8, at + size));
      }
      at += Math.ceil(Math.max(size, 8) / 8) * 8;
    }
  }
  throw new Error("no command line is told");
}

test.each([
  [["--reuse-cmdline"], "", " root=/dev/sda1 quiet"],
  [["--reuse-cmdline", "--append=z"], " z", " root=/dev/sda1 quiet z"],
  [["--append=z"], " z", " z"],
])(
  `${difference("multiboot-reuse").id}: %p`,
  async (options, theirs, ours) => {
    expect(await commandLine(KEXEC_TOOLS, options)).toBe(`${IMAGE}${theirs}`);
    expect(await commandLine(ONEKEXEC, options)).toBe(`${IMAGE}${ours}`);
  },
  TIMEOUT_MS,
);
