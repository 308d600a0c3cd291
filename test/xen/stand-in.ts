/** Compiles the stand-ins for libxenctrl and for the hypervisor. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { refreshPackageLists } from "../../scripts/machine.ts";
import { ensureXenHeaders } from "../../scripts/xen-headers.ts";

/**
 * Compiles a C source with Xen's headers. PRIVCMD_H names Linux's header of the privcmd device.
 * @throws where there is no C compiler
 */
export function compileWithXen(source: string, output: string, flags: readonly string[]): void {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const headers = ensureXenHeaders(say, () => refreshPackageLists(say));
  const folder = mkdtempSync(join(tmpdir(), "onekexec-headers-"));
  try {
    // Linux's header is in a folder of the same name as Xen's headers, so it is included by its
    // path. It includes xen/interface/xen.h, which user space lacks; an empty file serves, because
    // Xen's own headers define the same types.
    mkdirSync(join(folder, "xen/interface"), { recursive: true });
    writeFileSync(join(folder, "xen/interface/xen.h"), "");
    const privcmd = '-DPRIVCMD_H="/usr/include/xen/privcmd.h"';
    const include = ["-I", headers, "-I", folder, privcmd];
    const words = ["-Werror", "-O1", ...include, ...flags, source, "-o", output];
    execFileSync("gcc", words, { stdio: ["ignore", "ignore", "inherit"] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface StandIn {
  /** Functions that the library lacks. */
  readonly without?: readonly string[];
  /** The library's name in its log. */
  readonly name?: string;
  readonly soname?: string;
  /** Further options for the compiler. */
  readonly flags?: readonly string[];
}

/** Builds a stand-in for libxenctrl at `path`. @throws where there is no C compiler */
export function buildStandIn(
  path: string,
  { without = [], name, soname, flags = [] }: StandIn = {},
) {
  compileWithXen(join(import.meta.dir, "stand-in-xenctrl.c"), path, [
    ...["-Wall", "-shared", "-fPIC"],
    ...without.map((symbol) => `-DOMIT_${symbol}`),
    ...(without.length > 0 ? ["-Wno-unused-function", "-Wno-unused-variable"] : []),
    ...(name === undefined ? [] : [`-DNAME="${name}"`]),
    ...(soname === undefined ? [] : [`-Wl,-soname,${soname}`]),
    ...flags,
  ]);
}

/** Builds the program that runs another and answers its ioctls on the privcmd device. */
export function buildHypervisor(path: string): void {
  compileWithXen(join(import.meta.dir, "stand-in-hypervisor.c"), path, ["-Wall", "-Wextra"]);
}

/** The functions that kexec requires, in the order of the table in libxenctrl.ts. */
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
