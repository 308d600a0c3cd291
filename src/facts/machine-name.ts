/** The architecture of a machine, by the name that the kernel has for it. */

import type { Architecture } from "../model/architecture.ts";

const ARCHITECTURE_OF: ReadonlyMap<string, Architecture> = new Map([
  ["x86_64", "x86_64"],
  ["aarch64", "arm64"],
]);

/** The architecture for a name that `uname -m` prints; null where onekexec does not know the
 * name. */
export const architectureOfMachine = (name: string): Architecture | null =>
  ARCHITECTURE_OF.get(name) ?? null;
