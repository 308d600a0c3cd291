/**
 * Structures and numbers of Xen's hypercalls for a 64-bit domain. All are stable interfaces, which
 * are the same in every version of Xen.
 *
 * [xen-kexec] [xen xen/include/public/memory.h, version.h, xen.h]
 * [linux include/uapi/xen/privcmd.h]
 */

import { defineStruct, u8, u16, u32, u64 } from "../../core/struct.ts";

/** Numbers of hypercalls, the first argument of IOCTL_PRIVCMD_HYPERCALL. */
export const Hypercall = { memory_op: 12, xen_version: 17, kexec_op: 37 } as const;

export const XenVersionCommand = { version: 0, extraversion: 1, capabilities: 3 } as const;
export const XEN_EXTRAVERSION_LEN = 16;
export const XEN_CAPABILITIES_INFO_LEN = 1024;

export const MemoryCommand = {
  XENMEM_maximum_ram_page: 2,
  XENMEM_machphys_mfn_list: 5,
  XENMEM_machine_memory_map: 10,
} as const;

export const KexecCommand = {
  KEXEC_CMD_kexec: 0,
  KEXEC_CMD_kexec_get_range: 3,
  KEXEC_CMD_kexec_load: 4,
  KEXEC_CMD_kexec_unload: 5,
  KEXEC_CMD_kexec_status: 6,
} as const;

/** Types of images. Upstream Xen has no KEXEC_TYPE_LIVE_UPDATE; hypervisors with patches for live
 * update do. */
export const KexecType = {
  KEXEC_TYPE_DEFAULT: 0,
  KEXEC_TYPE_CRASH: 1,
  KEXEC_TYPE_LIVE_UPDATE: 2,
} as const;
export type KexecType = (typeof KexecType)[keyof typeof KexecType];

/** The ranges of machine memory that `KEXEC_CMD_kexec_get_range` reports. */
export const KexecRange = {
  KEXEC_RANGE_MA_CRASH: 0,
  KEXEC_RANGE_MA_XEN: 1,
  KEXEC_RANGE_MA_CPU: 2,
  KEXEC_RANGE_MA_VMCOREINFO: 6,
} as const;
export type KexecRange = (typeof KexecRange)[keyof typeof KexecRange];

/** The caller sets `range` and `nr`; Xen writes `size` and `start`. */
export const XenKexecRange = defineStruct("xen_kexec_range_t", 24, {
  range: u32(0),
  nr: u32(4),
  size: u64(8),
  start: u64(16),
});

/** `buf` is an address in the caller's memory; with 0 Xen only maps the memory. Sizes in bytes. */
export const XenKexecSegment = defineStruct("xen_kexec_segment_t", 32, {
  buf: u64(0),
  buf_size: u64(8),
  dest_maddr: u64(16),
  dest_size: u64(24),
});

/** `arch` is an ELF machine number. */
export const XenKexecLoad = defineStruct("xen_kexec_load_t", 24, {
  type: u8(0),
  arch: u16(2),
  nr_segments: u32(4),
  segments: u64(8),
  entry_maddr: u64(16),
});

/** xen_kexec_unload_t and xen_kexec_status_t have one byte. */
export const XenKexecUnload = defineStruct("xen_kexec_unload_t", 1, { type: u8(0) });
export const XenKexecStatus = defineStruct("xen_kexec_status_t", 1, { type: u8(0) });

/** Unlike in the structures above, the type is an `int`. */
export const XenKexecExec = defineStruct("xen_kexec_exec_t", 4, { type: u32(0) });

/** The caller sets `nr_entries` to the capacity of `buffer`; Xen writes how many entries it
 * wrote. */
export const XenMemoryMap = defineStruct("xen_memory_map_t", 16, {
  nr_entries: u32(0),
  buffer: u64(8),
});

export const XenMachphysMfnList = defineStruct("xen_machphys_mfn_list_t", 24, {
  max_extents: u32(0),
  extent_start: u64(8),
  nr_extents: u32(16),
});

export const PrivcmdHypercall = defineStruct("privcmd_hypercall", 48, {
  op: u64(0),
  arg0: u64(8),
  arg1: u64(16),
  arg2: u64(24),
  arg3: u64(32),
  arg4: u64(40),
});
export const IOCTL_PRIVCMD_HYPERCALL = 0x305000;

/** Maps the `num` frames of domain `dom` whose numbers are at `arr` to address `addr`. The result
 * for each frame is an `int` at `err`: 0, or minus the error number. */
export const PrivcmdMmapbatchV2 = defineStruct("privcmd_mmapbatch_v2", 32, {
  num: u32(0),
  dom: u16(4),
  addr: u64(8),
  arr: u64(16),
  err: u64(24),
});
export const IOCTL_PRIVCMD_MMAPBATCH_V2 = 0x205004;

/** The domain that owns the memory that Xen shares, such as its table from machine frames to guest
 * frames. */
export const DOMID_XEN = 0x7ff2;

/** Capacity for the memory map, in entries: as many as kexec-tools has, more than any machine
 * has. */
export const E820_ENTRIES_MAX = 2048;
