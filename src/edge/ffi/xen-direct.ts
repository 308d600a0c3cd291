/**
 * Xen's calls without libxenctrl: each is one hypercall through the privcmd device. For rescue
 * images, and wherever no Xen library is installed. The hypercalls are Xen's stable interface.
 */

import { textUntilNul } from "../../core/bytes.ts";
import type { HypercallMemory, Privcmd } from "./privcmd.ts";
import type { XenCalls, XenLoad, XenLoadOutcome, XenRange } from "./xen-calls.ts";
import {
  E820_ENTRIES_MAX,
  E820_ENTRY_SIZE,
  Hypercall,
  KexecCommand,
  type KexecRange,
  type KexecType,
  MemoryCommand,
  XEN_CAPABILITIES_INFO_LEN,
  XEN_EXTRAVERSION_LEN,
  XenKexecExec,
  XenKexecLoad,
  XenKexecRange,
  XenKexecSegment,
  XenKexecStatus,
  XenKexecUnload,
  XenMemoryMap,
  XenVersionCommand,
} from "./xen-structs.ts";

/** Calls `use` with memory for hypercalls that is freed after it; minus the error number where
 * there is none. */
function withMemory<T>(
  privcmd: Privcmd,
  size: number,
  use: (memory: HypercallMemory) => T,
): T | number {
  const memory = privcmd.allocate(size);
  if (typeof memory === "number") return memory;
  try {
    return use(memory);
  } finally {
    memory.free();
  }
}

const kexecOp = (privcmd: Privcmd, command: number, { address }: HypercallMemory): number =>
  privcmd.hypercall(Hypercall.kexec_op, [BigInt(command), address]);

/** A text that the hypervisor writes into `length` bytes. */
function versionText(privcmd: Privcmd, command: number, length: number): string | number {
  return withMemory(privcmd, length, ({ address, bytes }) => {
    const status = privcmd.hypercall(Hypercall.xen_version, [BigInt(command), address]);
    return status < 0 ? status : textUntilNul(bytes);
  });
}

function version(privcmd: Privcmd): string | number {
  const number = privcmd.hypercall(Hypercall.xen_version, [BigInt(XenVersionCommand.version), 0n]);
  if (number < 0) return number;
  const extra = versionText(privcmd, XenVersionCommand.extraversion, XEN_EXTRAVERSION_LEN);
  return versionOf(number, typeof extra === "string" ? extra : "");
}

/** XENVER_version's number, major in the upper half, as Xen prints it. */
export function versionOf(number: number, extra: string): string {
  return `${number >>> 16}.${number & 0xffff}${extra}`;
}

function machineMemoryMap(privcmd: Privcmd): Uint8Array | number {
  return withMemory(privcmd, E820_ENTRIES_MAX * E820_ENTRY_SIZE, (entries) =>
    withMemory(privcmd, XenMemoryMap.size, ({ address, bytes }) => {
      XenMemoryMap.write(bytes, { nr_entries: E820_ENTRIES_MAX, buffer: entries.address });
      const command = BigInt(MemoryCommand.XENMEM_machine_memory_map);
      const status = privcmd.hypercall(Hypercall.memory_op, [command, address]);
      if (status < 0) return status;
      return entries.bytes.slice(0, XenMemoryMap.read(bytes).nr_entries * E820_ENTRY_SIZE);
    }),
  );
}

function getRange(privcmd: Privcmd, range: KexecRange, nr: number): XenRange | number {
  return withMemory(privcmd, XenKexecRange.size, (memory) => {
    XenKexecRange.write(memory.bytes, { range, nr });
    const status = kexecOp(privcmd, KexecCommand.KEXEC_CMD_kexec_get_range, memory);
    if (status < 0) return status;
    const { start, size } = XenKexecRange.read(memory.bytes);
    return { start, size };
  });
}

/** Room for the table, which even without a segment is not nothing. */
const tableSize = (count: number): number => Math.max(count, 1) * XenKexecSegment.size;

function load(privcmd: Privcmd, { type, arch, entryMaddr, segments }: XenLoad): XenLoadOutcome {
  const held: HypercallMemory[] = [];
  const hold = (size: number): HypercallMemory | number => {
    const memory = privcmd.allocate(size);
    if (typeof memory !== "number") held.push(memory);
    return memory;
  };
  try {
    const table = hold(tableSize(segments.length));
    if (typeof table === "number") return { kind: "no-memory", errno: -table, segment: null };
    for (const [index, { bytes, destMaddr, destSize }] of segments.entries()) {
      const memory = bytes.length === 0 ? null : hold(bytes.length);
      if (typeof memory === "number") return { kind: "no-memory", errno: -memory, segment: index };
      memory?.bytes.set(bytes);
      XenKexecSegment.write(
        table.bytes,
        {
          buf: memory?.address ?? 0n,
          buf_size: BigInt(bytes.length),
          dest_maddr: destMaddr,
          dest_size: destSize,
        },
        index * XenKexecSegment.size,
      );
    }
    const argument = hold(XenKexecLoad.size);
    if (typeof argument === "number") return { kind: "no-memory", errno: -argument, segment: null };
    XenKexecLoad.write(argument.bytes, {
      type,
      arch,
      nr_segments: segments.length,
      segments: table.address,
      entry_maddr: entryMaddr,
    });
    const status = kexecOp(privcmd, KexecCommand.KEXEC_CMD_kexec_load, argument);
    return status < 0 ? { kind: "refused", errno: -status } : { kind: "loaded" };
  } finally {
    for (const memory of held) memory.free();
  }
}

type TypeStruct = typeof XenKexecUnload | typeof XenKexecStatus | typeof XenKexecExec;

function typeOp(privcmd: Privcmd, command: number, struct: TypeStruct, type: KexecType): number {
  return withMemory(privcmd, struct.size, (memory) => {
    struct.write(memory.bytes, { type });
    return kexecOp(privcmd, command, memory);
  });
}

/** The calls through `privcmd`, which `close` closes. */
export function xenDirect(privcmd: Privcmd): XenCalls {
  return {
    servedBy: privcmd.path,
    version: () => version(privcmd),
    capabilities: () =>
      versionText(privcmd, XenVersionCommand.capabilities, XEN_CAPABILITIES_INFO_LEN),
    machineMemoryMap: () => machineMemoryMap(privcmd),
    getRange: (range, nr) => getRange(privcmd, range, nr),
    load: (wanted) => load(privcmd, wanted),
    unload: (type) => typeOp(privcmd, KexecCommand.KEXEC_CMD_kexec_unload, XenKexecUnload, type),
    status: (type) => typeOp(privcmd, KexecCommand.KEXEC_CMD_kexec_status, XenKexecStatus, type),
    exec: (type) => typeOp(privcmd, KexecCommand.KEXEC_CMD_kexec, XenKexecExec, type),
    close: () => privcmd.close(),
  };
}
