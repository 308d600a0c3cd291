/**
 * Compares our tables of Xen's structures, numbers and functions with the headers of Xen,
 * libxenctrl and Linux: a C program prints the compiler's values, and assigns each function to a
 * pointer of the type with which we call it.
 */

import { beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as xen from "../../src/edge/xen/structs.ts";
import { E820Entry } from "../../src/facts/e820-entry.ts";
import { compileWithXen } from "./stand-in.ts";

interface Table {
  readonly size: number;
  readonly fields: Readonly<Record<string, { readonly offset: number; readonly size: number }>>;
}

const TABLES: readonly (readonly [string, Table])[] = [
  ["xen_kexec_range_t", xen.XenKexecRange],
  ["xen_kexec_segment_t", xen.XenKexecSegment],
  ["xen_kexec_load_t", xen.XenKexecLoad],
  ["xen_kexec_unload_t", xen.XenKexecUnload],
  ["xen_kexec_status_t", xen.XenKexecStatus],
  ["xen_kexec_exec_t", xen.XenKexecExec],
  ["xen_memory_map_t", xen.XenMemoryMap],
  ["xen_machphys_mfn_list_t", xen.XenMachphysMfnList],
  ["struct privcmd_mmapbatch_v2", xen.PrivcmdMmapbatchV2],
];

/** Numbers, by their C expressions. */
const CONSTANTS: Readonly<Record<string, number>> = {
  __HYPERVISOR_memory_op: xen.Hypercall.memory_op,
  __HYPERVISOR_xen_version: xen.Hypercall.xen_version,
  __HYPERVISOR_kexec_op: xen.Hypercall.kexec_op,
  XENVER_version: xen.XenVersionCommand.version,
  XENVER_extraversion: xen.XenVersionCommand.extraversion,
  XENVER_capabilities: xen.XenVersionCommand.capabilities,
  "sizeof(xen_extraversion_t)": xen.XEN_EXTRAVERSION_LEN,
  "sizeof(xen_capabilities_info_t)": xen.XEN_CAPABILITIES_INFO_LEN,
  ...xen.MemoryCommand,
  ...xen.KexecCommand,
  KEXEC_TYPE_DEFAULT: xen.KexecType.KEXEC_TYPE_DEFAULT,
  KEXEC_TYPE_CRASH: xen.KexecType.KEXEC_TYPE_CRASH,
  ...xen.KexecRange,
  DOMID_XEN: xen.DOMID_XEN,
  IOCTL_PRIVCMD_HYPERCALL: xen.IOCTL_PRIVCMD_HYPERCALL,
  IOCTL_PRIVCMD_MMAPBATCH_V2: xen.IOCTL_PRIVCMD_MMAPBATCH_V2,
  "sizeof(struct privcmd_hypercall)": xen.PrivcmdHypercall.size,
  "offsetof(struct privcmd_hypercall, arg[1])": xen.PrivcmdHypercall.fields.arg1.offset,
  "sizeof(struct e820entry)": E820Entry.size,
  "sizeof(xc_hypercall_buffer_t)": 40,
  "offsetof(xc_hypercall_buffer_t, dir)": 16,
  "offsetof(xc_hypercall_buffer_t, ubuf)": 24,
};

/** The prototypes of the table in libxenctrl.ts, in C. */
const FUNCTIONS = `
xc_interface *(*a)(xentoollog_logger *, xentoollog_logger *, unsigned) = xc_interface_open;
int (*b)(xc_interface *) = xc_interface_close;
int (*c)(xc_interface *, int, void *) = xc_version;
int (*d)(xc_interface *, struct e820entry *, uint32_t) = xc_get_machine_memory_map;
int (*e)(xc_interface *, int) = xc_kexec_exec;
int (*f)(xc_interface *, int, int, uint64_t *, uint64_t *) = xc_kexec_get_range;
int (*g)(xc_interface *, uint8_t, uint16_t, uint64_t, uint32_t, xen_kexec_segment_t *) =
	xc_kexec_load;
int (*h)(xc_interface *, int) = xc_kexec_unload;
int (*i)(xc_interface *, int) = xc_kexec_status;
xc_hypercall_buffer_array_t *(*j)(xc_interface *, unsigned) = xc_hypercall_buffer_array_create;
void *(*k)(xc_interface *, xc_hypercall_buffer_array_t *, unsigned, xc_hypercall_buffer_t *,
	   size_t) = xc__hypercall_buffer_array_alloc;
void (*l)(xc_interface *, xc_hypercall_buffer_array_t *) = xc_hypercall_buffer_array_destroy;
`;

function program(): string {
  const tables = TABLES.flatMap(([type, { fields }]) => [
    `printf("${type} %zu\\n", sizeof(${type}));`,
    ...Object.keys(fields).map(
      (field) => `printf("${type}.${field} %zu\\n", offsetof(${type}, ${field}));`,
    ),
  ]);
  const constants = Object.keys(CONSTANTS).map(
    (name) => `printf("${name} %lld\\n", (long long)(${name}));`,
  );
  return `
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <xenctrl.h>
#include <xen/memory.h>
#include <xen/version.h>
#include <xen/kexec.h>
#include <sys/ioctl.h>
#include PRIVCMD_H
static void functions(void) { ${FUNCTIONS} (void)a, (void)b, (void)c, (void)d, (void)e, (void)f,
	(void)g, (void)h, (void)i, (void)j, (void)k, (void)l; }
int main(int argc, char **argv) { ${[...tables, ...constants].join("\n")}
	if (argc > 9) functions();
	return 0; }`;
}

let printed: string[] = [];

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "onekexec-layout-"));
  try {
    const source = join(folder, "layout.c");
    writeFileSync(source, program());
    const binary = join(folder, "layout");
    compileWithXen(source, binary, ["-Wl,--unresolved-symbols=ignore-all"]);
    printed = execFileSync(binary).toString().trimEnd().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);

test("every structure, field, number and prototype agrees with the headers", () => {
  const ours = [
    ...TABLES.flatMap(([type, { size, fields }]) => [
      `${type} ${size}`,
      ...Object.entries(fields).map(([field, { offset }]) => `${type}.${field} ${offset}`),
    ]),
    ...Object.entries(CONSTANTS).map(([name, value]) => `${name} ${value}`),
  ];
  expect(printed).toEqual(ours);
});
