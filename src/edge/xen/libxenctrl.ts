/**
 * libxenctrl, linked at run time: the table of its functions, each with its C prototype and its
 * errors, and Xen's calls made with them.
 *
 * A library is accepted by its symbols, not by its version: every version since Xen 4.4 has the
 * required functions, with the same prototypes.
 *
 * Some functions that kexec-tools uses are not needed. xc_get_max_cpus makes a sysctl hypercall,
 * whose interface depends on Xen's version; instead, the CPUs' notes are read until Xen reports
 * that there is no such CPU. xc__hypercall_buffer_alloc and _free, their _pages variants,
 * _array_get, and xc__hypercall_buffer_HYPERCALL_BUFFER_NULL: the buffer array holds all hypercall
 * buffers.
 *
 * [xen tools/include/xenctrl.h] [xen tools/libs/ctrl]
 */

import { type FFIFunction, FFIType, toArrayBuffer } from "bun:ffi";
import { textUntilNul } from "../../core/bytes.ts";
import { defineStruct, u32, u64 } from "../../core/struct.ts";
import { E820Entry } from "../../facts/e820-entry.ts";
import { Errno } from "../ffi/errno.ts";
import { asInt, result } from "../ffi/libc.ts";
import type { Functions, Library } from "../ffi/library.ts";
import { addressOf, asPointer, keeping } from "../ffi/pointer.ts";
import {
  tableSize,
  versionOf,
  writeSegment,
  type XenCalls,
  type XenLoad,
  type XenLoadOutcome,
  type XenRange,
} from "./calls.ts";
import {
  E820_ENTRIES_MAX,
  type KexecRange,
  type KexecType,
  XEN_CAPABILITIES_INFO_LEN,
  XEN_EXTRAVERSION_LEN,
  XenVersionCommand,
} from "./structs.ts";

const { i32, u8, u16, u32: uint, u64: pointer } = FFIType;

/** The functions that loading, unloading and starting need. Pointers are u64. */
const REQUIRED = {
  /** xc_interface *xc_interface_open(xentoollog_logger *, xentoollog_logger *, unsigned flags)
   * Fails with: NULL and ENOENT, ENODEV no privcmd device; EACCES, EPERM not root. */
  xc_interface_open: { args: [pointer, pointer, uint], returns: pointer },
  /** int xc_interface_close(xc_interface *)
   * Fails with: nothing that matters here. */
  xc_interface_close: { args: [pointer], returns: i32 },
  /** int xc_version(xc_interface *, int cmd, void *arg)
   * Fails with: ENOMEM; EFAULT; EPERM by Xen's policy. */
  xc_version: { args: [pointer, i32, pointer], returns: i32 },
  /** int xc_get_machine_memory_map(xc_interface *, struct e820entry[], uint32_t max_entries)
   * Returns how many there are.
   * Fails with: EPERM not dom0; ENOMEM; EFAULT. */
  xc_get_machine_memory_map: { args: [pointer, pointer, uint], returns: i32 },
  /** int xc_kexec_exec(xc_interface *, int type)
   * Fails with: ENOENT no image of this type is loaded; EINVAL no such type. */
  xc_kexec_exec: { args: [pointer, i32], returns: i32 },
  /** int xc_kexec_get_range(xc_interface *, int range, int nr, uint64_t *size, uint64_t *start)
   * Writes size and start even where it failed.
   * Fails with: EINVAL no such range, or no notes without crashkernel=; ERANGE no such CPU. */
  xc_kexec_get_range: { args: [pointer, i32, i32, pointer, pointer], returns: i32 },
  /** int xc_kexec_load(xc_interface *, uint8_t type, uint16_t arch, uint64_t entry_maddr,
   *                   uint32_t nr_segments, xen_kexec_segment_t *)
   * Fails with: EINVAL too many segments, overlap, more bytes than memory, or an unknown type or
   * architecture; EADDRNOTAVAIL not at page boundaries, or not in the crash area; ENOMEM Xen's own
   * memory; EBUSY an image is being started; EFAULT. */
  xc_kexec_load: { args: [pointer, u8, u16, pointer, uint, pointer], returns: i32 },
  /** int xc_kexec_unload(xc_interface *, int type)
   * Nothing loaded is no failure.
   * Fails with: EINVAL no such type; EBUSY an image is being started. */
  xc_kexec_unload: { args: [pointer, i32], returns: i32 },
  /** xc_hypercall_buffer_array_t *xc_hypercall_buffer_array_create(xc_interface *, unsigned n)
   * Fails with: NULL and ENOMEM. */
  xc_hypercall_buffer_array_create: { args: [pointer, uint], returns: pointer },
  /** void *xc__hypercall_buffer_array_alloc(xc_interface *, xc_hypercall_buffer_array_t *,
   *                                        unsigned index, xc_hypercall_buffer_t *, size_t)
   * An index that is too high or was used before aborts the program.
   * Fails with: NULL and ENOMEM. */
  xc__hypercall_buffer_array_alloc: {
    args: [pointer, pointer, uint, pointer, pointer],
    returns: pointer,
  },
  /** void xc_hypercall_buffer_array_destroy(xc_interface *, xc_hypercall_buffer_array_t *)
   * Frees what was allocated in it. Fails with: nothing. */
  xc_hypercall_buffer_array_destroy: { args: [pointer, pointer], returns: FFIType.void },
} as const satisfies Record<string, FFIFunction>;

/** The functions without which only the status of an image is unknown. */
const OPTIONAL = {
  /** int xc_kexec_status(xc_interface *, int type), since Xen 4.9
   * Fails with: EINVAL no such type; ENOSYS, EINVAL a hypervisor that is older. */
  xc_kexec_status: { args: [pointer, i32], returns: i32 },
} as const satisfies Record<string, FFIFunction>;

type Xenctrl = Functions<typeof REQUIRED>;
type KexecStatus = Functions<typeof OPTIONAL>["xc_kexec_status"];

/** Names of the required functions that `library` lacks. */
export function missingFunctions(library: Library): string[] {
  return Object.keys(REQUIRED).filter((name) => !library.has(name));
}

/** xc_hypercall_buffer_t; the library writes `hbuf`. */
const XcHypercallBuffer = defineStruct("xc_hypercall_buffer_t", 40, {
  hbuf: u64(0),
  param_shadow: u64(8),
  dir: u32(16),
  ubuf: u64(24),
  sz: u64(32),
});
/** HYPERCALL_BUFFER_INIT_NO_BOUNCE: the buffer is not a copy of other memory. */
const NO_BOUNCE = { dir: 0, ubuf: 2n ** 64n - 1n, sz: 0n };

/** EIO for a library that returned an error and did not set `errno`. */
const orUnknown = (errno: number): number => (errno > 0 ? errno : Errno.EIO);

/** The handle of the opened interface, and the functions that take it. */
interface Opened {
  readonly xc: Xenctrl;
  /** null in a library without xc_kexec_status. */
  readonly kexecStatus: KexecStatus | null;
  readonly xch: bigint;
}

/** Converts what a function of the library returned: `returned` itself, or minus the error number
 * in place of -1. The error number is never 0, which would mean success. */
function call(returned: number): number {
  return returned === -1 ? -orUnknown(-result(returned)) : returned;
}

function versionText({ xc, xch }: Opened, command: number, length: number): string | number {
  const text = new Uint8Array(length);
  // SAFETY: `text` is ours, has the length that the command writes, and is kept until the call
  // returns.
  const status = keeping([text], () => call(xc.xc_version(xch, asInt(command), addressOf(text))));
  return status < 0 ? status : textUntilNul(text);
}

function version(opened: Opened): string | number {
  const { xc, xch } = opened;
  // SAFETY: this command accesses no memory.
  const number = call(xc.xc_version(xch, XenVersionCommand.version, 0n));
  const extra = () => versionText(opened, XenVersionCommand.extraversion, XEN_EXTRAVERSION_LEN);
  return versionOf(number, extra);
}

function machineMemoryMap({ xc, xch }: Opened): Uint8Array | number {
  const entries = new Uint8Array(E820_ENTRIES_MAX * E820Entry.size);
  // SAFETY: `entries` has room for E820_ENTRIES_MAX entries, and is kept until the call returns.
  const count = keeping([entries], () =>
    call(xc.xc_get_machine_memory_map(xch, addressOf(entries), E820_ENTRIES_MAX)),
  );
  return count < 0 ? count : entries.slice(0, count * E820Entry.size);
}

function getRange({ xc, xch }: Opened, range: KexecRange, nr: number): XenRange | number {
  const size = new BigUint64Array(1);
  const start = new BigUint64Array(1);
  const at = (value: BigUint64Array) => addressOf(new Uint8Array(value.buffer));
  // SAFETY: both numbers are ours and kept until the call returns.
  const status = keeping([size, start], () =>
    call(xc.xc_kexec_get_range(xch, range, asInt(nr), at(size), at(start))),
  );
  return status < 0 ? status : { start: start[0] ?? 0n, size: size[0] ?? 0n };
}

/** Copies `bytes` into hypercall buffer `index` of `array`; returns the buffer's address, or 0
 * where the library cannot allocate it. */
function copyInto({ xc, xch }: Opened, array: bigint, index: number, bytes: Uint8Array): bigint {
  const buffer = new Uint8Array(XcHypercallBuffer.size);
  XcHypercallBuffer.write(buffer, NO_BOUNCE);
  // SAFETY: `index` is below the array's length and used once; `buffer` is kept. The memory has
  // `bytes.length` bytes and is valid until the array is destroyed.
  const address = keeping([buffer], () =>
    xc.xc__hypercall_buffer_array_alloc(xch, array, index, addressOf(buffer), BigInt(bytes.length)),
  );
  if (address === 0n) return 0n;
  new Uint8Array(toArrayBuffer(asPointer(address), 0, bytes.length)).set(bytes);
  return address;
}

function loadInto(opened: Opened, array: bigint, wanted: XenLoad): XenLoadOutcome {
  const { xc, xch } = opened;
  const { type, arch, entryMaddr, segments } = wanted;
  const table = new Uint8Array(tableSize(segments.length));
  let used = 0;
  for (const [index, segment] of segments.entries()) {
    const { bytes } = segment;
    let buf = 0n;
    if (bytes.length > 0) {
      buf = copyInto(opened, array, used, bytes);
      if (buf === 0n) return { kind: "no-memory", errno: -call(-1), segment: index };
      used += 1;
    }
    writeSegment(table, index, buf, segment);
  }
  // SAFETY: the table is ours and kept until the call returns; the memory that it points to belongs
  // to the array, which is destroyed later.
  const status = keeping([table], () =>
    call(xc.xc_kexec_load(xch, type, arch, entryMaddr, segments.length, addressOf(table))),
  );
  return status < 0 ? { kind: "refused", errno: -status } : { kind: "loaded" };
}

function load(opened: Opened, wanted: XenLoad): XenLoadOutcome {
  const { xc, xch } = opened;
  const copies = wanted.segments.filter(({ bytes }) => bytes.length > 0).length;
  // SAFETY: no memory of ours is passed.
  const array = xc.xc_hypercall_buffer_array_create(xch, copies);
  if (array === 0n) return { kind: "no-memory", errno: -call(-1), segment: null };
  try {
    return loadInto(opened, array, wanted);
  } finally {
    // SAFETY: the array was created above, and its memory is not used any more.
    xc.xc_hypercall_buffer_array_destroy(xch, array);
  }
}

function callsOf(opened: Opened, servedBy: string): XenCalls {
  const { xc, xch, kexecStatus } = opened;
  return {
    servedBy,
    version: () => version(opened),
    capabilities: () =>
      versionText(opened, XenVersionCommand.capabilities, XEN_CAPABILITIES_INFO_LEN),
    machineMemoryMap: () => machineMemoryMap(opened),
    getRange: (range, nr) => getRange(opened, range, nr),
    load: (wanted) => load(opened, wanted),
    // SAFETY of these four calls: the handle is open, and no memory is passed.
    unload: (type: KexecType) => call(xc.xc_kexec_unload(xch, type)),
    status: (type: KexecType) =>
      kexecStatus === null ? -Errno.ENOSYS : call(kexecStatus(xch, type)),
    exec: (type: KexecType) => call(xc.xc_kexec_exec(xch, type)),
    close: () => {
      xc.xc_interface_close(xch);
    },
  };
}

/** Xen's calls through `library`, which must have all required functions; or minus the error number
 * where its interface cannot be opened. */
export function openXenctrl(library: Library): XenCalls | number {
  const xc = library.functions(REQUIRED);
  const kexecStatus = library.has("xc_kexec_status")
    ? library.functions(OPTIONAL).xc_kexec_status
    : null;
  // SAFETY: the null loggers select the library's own, which writes to standard error.
  const xch = xc.xc_interface_open(0n, 0n, 0);
  if (xch === 0n) return call(-1);
  return callsOf({ xc, xch, kexecStatus }, library.name);
}
