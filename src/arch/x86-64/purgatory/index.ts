/** x86_64's purgatory, as it was built. */

import { type Purgatory, purgatoryOf } from "../../../purgatory/manifest.ts";
import { blob } from "./blob.ts";
import manifest from "./manifest.json" with { type: "json" };

let decoded: Purgatory | undefined;

/** The blob is part of the program as base64 text: it is decoded once, when a plan wants it. */
export function x86Purgatory(): Purgatory {
  decoded ??= purgatoryOf(manifest, blob());
  return decoded;
}
