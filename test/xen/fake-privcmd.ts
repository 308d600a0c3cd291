/**
 * A fake privcmd device with a fake Xen: it reads the arguments of hypercalls at their addresses,
 * as Xen does, and writes the results there.
 */

import { toArrayBuffer } from "bun:ffi";
import { Errno } from "../../src/edge/ffi/errno.ts";
import { PinnedMemory } from "../../src/edge/ffi/pinned-memory.ts";
import { asPointer } from "../../src/edge/ffi/pointer.ts";
import type { Privcmd } from "../../src/edge/xen/privcmd.ts";
import {
  Hypercall,
  KexecCommand,
  MemoryCommand,
  XenKexecExec,
  XenKexecLoad,
  XenKexecRange,
  XenKexecSegment,
  XenKexecUnload,
  XenMemoryMap,
} from "../../src/edge/xen/structs.ts";

const { ENOSYS, EINVAL, ENOMEM } = Errno;

const at = (address: bigint, size: number): Uint8Array =>
  size === 0 ? new Uint8Array(0) : new Uint8Array(toArrayBuffer(asPointer(address), 0, size));

function fnv(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16);
}

const OPERATIONS: ReadonlyMap<string, string> = new Map([
  [`${Hypercall.memory_op} ${MemoryCommand.XENMEM_machine_memory_map}`, "memory map"],
  [`${Hypercall.kexec_op} ${KexecCommand.KEXEC_CMD_kexec}`, "exec"],
  [`${Hypercall.kexec_op} ${KexecCommand.KEXEC_CMD_kexec_get_range}`, "range"],
  [`${Hypercall.kexec_op} ${KexecCommand.KEXEC_CMD_kexec_load}`, "load"],
  [`${Hypercall.kexec_op} ${KexecCommand.KEXEC_CMD_kexec_unload}`, "unload"],
  [`${Hypercall.kexec_op} ${KexecCommand.KEXEC_CMD_kexec_status}`, "status"],
]);

interface Behind {
  readonly log: string[];
  readonly statusBits: Set<number>;
}

function write(address: bigint, bytes: Uint8Array): number {
  at(address, bytes.length).set(bytes);
  return 0;
}

function version(command: bigint, argument: bigint): number {
  if (command === 0n) return (4 << 16) | 17;
  const text = command === 1n ? ".7\0" : "xen-3.0-x86_64 hvm-3.0-x86_32 \0";
  return write(argument, new Uint8Array(Buffer.from(text, "latin1")));
}

const MAP = [
  [0n, 0x9fc00n, 1n],
  [0x9fc00n, 0x400n, 2n],
  [0x100000n, 0x7fee0000n, 1n],
] as const;

function memoryMap(argument: bigint): number {
  const struct = at(argument, XenMemoryMap.size);
  const { buffer } = XenMemoryMap.read(struct);
  MAP.forEach(([address, size, type], i) => {
    const view = new DataView(toArrayBuffer(asPointer(buffer), i * 20, 20));
    view.setBigUint64(0, address, true);
    view.setBigUint64(8, size, true);
    view.setUint32(16, Number(type), true);
  });
  XenMemoryMap.write(struct, { nr_entries: MAP.length });
  return 0;
}

function range(argument: bigint): number {
  const struct = at(argument, XenKexecRange.size);
  const wanted = XenKexecRange.read(struct).range;
  if (wanted === 2) return -EINVAL;
  const found = wanted === 1 ? { start: 0x7fa00000n, size: 0x3a6140n } : { start: 0n, size: 0n };
  XenKexecRange.write(struct, found);
  return 0;
}

function load(argument: bigint, { log, statusBits }: Behind): number {
  const told = XenKexecLoad.read(at(argument, XenKexecLoad.size));
  const { type, arch, entry_maddr, nr_segments, segments } = told;
  log.push(
    `load type=${type} arch=${arch} entry=0x${entry_maddr.toString(16)} segments=${nr_segments}`,
  );
  const table = at(segments, nr_segments * XenKexecSegment.size);
  for (let i = 0; i < nr_segments; i += 1) {
    const one = XenKexecSegment.read(table, i * XenKexecSegment.size);
    const digest = fnv(at(one.buf, Number(one.buf_size)));
    log.push(
      `segment buf=${one.buf === 0n ? "no" : "yes"} size=0x${one.buf_size.toString(16)} ` +
        `dest=0x${one.dest_maddr.toString(16)}+0x${one.dest_size.toString(16)} fnv=${digest}`,
    );
  }
  turn(statusBits, type);
  return 0;
}

function turn(statusBits: Set<number>, type: number): void {
  if (!statusBits.delete(type)) statusBits.add(type);
}

function kexec(command: string, argument: bigint, behind: Behind): number {
  if (command === "range") return range(argument);
  if (command === "load") return load(argument, behind);
  if (command === "exec") {
    behind.log.push(`exec type=${XenKexecExec.read(at(argument, XenKexecExec.size)).type}`);
    return 0;
  }
  const { type } = XenKexecUnload.read(at(argument, XenKexecUnload.size));
  if (command === "status") return Number(behind.statusBits.has(type));
  behind.log.push(`unload type=${type}`);
  turn(behind.statusBits, type);
  return 0;
}

export function fakePrivcmd() {
  const behind: Behind = { log: [], statusBits: new Set() };
  let failing: { operation: string; errno: number; nth: number } | null = null;
  let held = 1;
  const fails = (operation: string): boolean => {
    if (failing?.operation !== operation) return false;
    failing.nth -= 1;
    return failing.nth === -1;
  };
  const device: Privcmd = {
    path: "/dev/xen/privcmd",
    hypercall(op, [command = 0n, argument = 0n]) {
      const operation =
        op === Hypercall.xen_version ? "version" : OPERATIONS.get(`${op} ${command}`);
      if (operation === undefined) return -ENOSYS;
      if (fails(operation)) return -(failing?.errno ?? 0);
      if (operation === "version") return version(command, argument);
      if (operation === "memory map") return memoryMap(argument);
      return kexec(operation, argument, behind);
    },
    allocate(size) {
      if (fails("memory")) return -(failing?.errno ?? 0);
      const memory = PinnedMemory.allocate(size, "a test");
      held += 1;
      return {
        address: memory.address,
        bytes: memory.bytes(),
        free() {
          held -= 1;
          memory.free();
        },
      };
    },
    readFrames: () => -ENOSYS,
    close() {
      held -= 1;
    },
  };
  return {
    device,
    /** The table of segments is allocated first, so that the first segment is allocation 1. */
    fail(operation: string, errno: number, nth = 0) {
      failing =
        operation === "segment memory"
          ? { operation: "memory", errno, nth: nth + 1 }
          : { operation, errno, nth };
    },
    failAllocation(nth: number) {
      failing = { operation: "memory", errno: ENOMEM, nth };
    },
    log: (): readonly string[] => behind.log,
    held: () => held,
  };
}
