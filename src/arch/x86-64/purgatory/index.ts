/**
 * The purgatories by architecture. Adding one is a folder and a line here.
 *
 * The blob is part of the program as base64 text, so the executable needs no file beside it and
 * this needs no I/O; it is decoded only when a plan wants it.
 */

import { fail } from "../../../core/error.ts";
import type { Architecture } from "../../../model/architecture.ts";
import { type PurgatoryManifest, parseManifest } from "../../../purgatory/manifest.ts";
import { blob as x86Blob } from "./blob.ts";
import x86Manifest from "./manifest.json" with { type: "json" };

export interface Purgatory {
  readonly manifest: PurgatoryManifest;
  /** As built, with empty parameters. Nobody may write to it: `buildPurgatory` copies. */
  readonly blob: Uint8Array;
}

const registry: Partial<Record<Architecture, () => Purgatory>> = {
  x86_64: () => ({ manifest: parseManifest(x86Manifest), blob: x86Blob() }),
};

const decoded = new Map<Architecture, Purgatory>();

/**
 * The purgatory of an architecture.
 * @throws KexecError `purgatory.architecture` where there is none
 */
export function purgatoryFor(architecture: Architecture): Purgatory {
  const known = decoded.get(architecture);
  if (known !== undefined) return known;
  const make = registry[architecture];
  if (make === undefined) {
    fail({
      code: "purgatory.architecture",
      message: `there is no purgatory for ${architecture}, which kexec_load needs`,
      hint: "try kexec_file_load: -s",
    });
  }
  const purgatory = make();
  decoded.set(architecture, purgatory);
  return purgatory;
}
