/** Builds stand-ins for libxenctrl with the C compiler. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";

const SOURCE = join(import.meta.dir, "stand-in-xenctrl.c");

export interface StandIn {
  /** Functions that it is to lack. */
  readonly without?: readonly string[];
  /** What its log calls it. */
  readonly name?: string;
  readonly soname?: string;
  /** Further words for the compiler. */
  readonly flags?: readonly string[];
}

/** Builds a stand-in at `path`. @throws where there is no C compiler */
export function buildStandIn(
  path: string,
  { without = [], name, soname, flags = [] }: StandIn = {},
) {
  const words = [
    ...["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", path, SOURCE],
    ...without.map((symbol) => `-DOMIT_${symbol}`),
    ...(without.length > 0 ? ["-Wno-unused-function", "-Wno-unused-variable"] : []),
    ...(name === undefined ? [] : [`-DNAME="${name}"`]),
    ...(soname === undefined ? [] : [`-Wl,-soname,${soname}`]),
    ...flags,
  ];
  execFileSync("gcc", words, { stdio: ["ignore", "ignore", "inherit"] });
}

/** The functions that kexec cannot do without, in the order of the table in xenctrl.ts. */
export const REQUIRED = [
  "xc_interface_open",
  "xc_interface_close",
  "xc_version",
  "xc_get_machine_memory_map",
  "xc_kexec_exec",
  "xc_kexec_get_range",
  "xc_kexec_load",
  "xc_kexec_unload",
  "xc_hypercall_buffer_array_create",
  "xc__hypercall_buffer_array_alloc",
  "xc_hypercall_buffer_array_destroy",
] as const;
