/** The architectures, by what `uname -m` says. One file each, one line here. */

import type { Arch } from "../model/arch.ts";
import type { Architecture } from "../model/host-facts.ts";
import { x86_64 } from "./x86-64/index.ts";

const REGISTRY: Partial<Record<Architecture, Arch>> = { x86_64 };

/** undefined where onekexec cannot lay out segments for `architecture`. */
export function archOf(architecture: Architecture): Arch | undefined {
  return REGISTRY[architecture];
}
