/**
 * Xen's calls without libxenctrl, for rescue images and other systems that have no Xen library:
 * each call is one hypercall through the privcmd device. Xen keeps these hypercalls stable.
 */

import { textUntilNul } from "../../core/bytes.ts";
import { E820Entry } from "../../facts/e820-entry.ts";
import {
  tableSize,
  versionOf,
  writeSegment,
  type XenCalls,
  type XenLoad,
  type XenLoadOutcome,
  type XenRange,
} from "./calls.ts";
import { type HypercallMemory, type Privcmd, withMemory } from "./privcmd.ts";
import {
  E820_ENTRIES_MAX,
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
  XenKexecStatus,
  XenKexecUnload,
  XenMemoryMap,
  XenVersionCommand,
} from "./structs.ts";

const kexecOp = (privcmd: Privcmd, command: number, { address }: HypercallMemory): number =>
  privcmd.hypercall(Hypercall.kexec_op, [BigInt(command), address]);

/** The text that `command` of the xen_version hypercall writes into a buffer of `length` bytes; or
 * minus the error number. */
function versionText(privcmd: Privcmd, command: number, length: number): string | number {
  return withMemory(privcmd, length, ({ address, bytes }) => {
    const status = privcmd.hypercall(Hypercall.xen_version, [BigInt(command), address]);
    return status < 0 ? status : textUntilNul(bytes);
  });
}

function version(privcmd: Privcmd): string | number {
  const number = privcmd.hypercall(Hypercall.xen_version, [BigInt(XenVersionCommand.version), 0n]);
  const extra = () => versionText(privcmd, XenVersionCommand.extraversion, XEN_EXTRAVERSION_LEN);
  return versionOf(number, extra);
}

function machineMemoryMap(privcmd: Privcmd): Uint8Array | number {
  return withMemory(privcmd, E820_ENTRIES_MAX * E820Entry.size, (entries) =>
    withMemory(privcmd, XenMemoryMap.size, ({ address, bytes }) => {
      XenMemoryMap.write(bytes, { nr_entries: E820_ENTRIES_MAX, buffer: entries.address });
      const command = BigInt(MemoryCommand.XENMEM_machine_memory_map);
      const status = privcmd.hypercall(Hypercall.memory_op, [command, address]);
      if (status < 0) return status;
      return entries.bytes.slice(0, XenMemoryMap.read(bytes).nr_entries * E820Entry.size);
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
    for (const [index, segment] of segments.entries()) {
      const { bytes } = segment;
      const memory = bytes.length === 0 ? null : hold(bytes.length);
      if (typeof memory === "number") return { kind: "no-memory", errno: -memory, segment: index };
      memory?.bytes.set(bytes);
      writeSegment(table.bytes, index, memory?.address ?? 0n, segment);
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

/** Xen's calls through `privcmd`. `close` closes the device. */
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
