/**
 * What a hypervisor answers: the structures of its hypercalls, the facts that come of them, and
 * plans for such a machine. The input is a hypervisor's memory, from which it answers.
 */

import { Writer } from "../../../src/core/bytes.ts";
import { xenDirect } from "../../../src/edge/xen/hypercalls.ts";
import type { HypercallMemory, Privcmd } from "../../../src/edge/xen/privcmd.ts";
import { readXenFacts } from "../../../src/edge/xen/read-facts.ts";
import {
  Hypercall,
  MemoryCommand,
  XenKexecRange,
  XenMachphysMfnList,
  XenMemoryMap,
} from "../../../src/edge/xen/structs.ts";
import { E820Entry } from "../../../src/facts/e820-entry.ts";
import { factsFromJson, factsToJson } from "../../../src/facts/facts-file.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { machine } from "../../plan/golden.ts";
import { bytesTarget } from "../target.ts";
import { planBoth } from "./plans.ts";

/** Where the input has what is answered, in bytes. */
const AT = {
  version: 0,
  entries: 4,
  extents: 8,
  frames: 12,
  /** Start and size of the ranges 0 to 3, of which 3 stands for 6 too. */
  ranges: 16,
  capabilities: 80,
  extraversion: 112,
  extentStarts: 128,
  map: 256,
  table: 512,
} as const;
const INPUT_SIZE = 1024;
const PAGE = 4096;
const EINVAL = 22;
/** [linux include/linux/err.h MAX_ERRNO] */
const ERRNO_MAX = 4095;

const MAP = [
  [0n, 0x9fc00n, 1],
  [0x9fc00n, 0x400n, 2],
  [0x100000n, 0x7fee0000n, 1],
  [0x1_0000_0000n, 0x8000_0000n, 1],
] as const;

/** A machine of 4 GiB with Xen below 2 GiB. */
function hypervisor(): Uint8Array {
  const bytes = new Uint8Array(INPUT_SIZE);
  const writer = new Writer(bytes);
  writer.u32(AT.version, (4 << 16) | 17);
  writer.u32(AT.entries, MAP.length);
  writer.u32(AT.extents, 4);
  const ranges = [
    [0x6714_2000n, 0x0c00_0000n],
    [0x7fa0_0000n, 0x3a_6140n],
    [0x7ffc_dc00n, 0x1f4n],
    [0x7fd7_c540n, 0x1000n],
  ] as const;
  ranges.forEach(([start, size], i) => {
    writer.u64(AT.ranges + i * 16, start);
    writer.u64(AT.ranges + i * 16 + 8, size);
  });
  bytes.set(Buffer.from("xen-3.0-x86_64 hvm-3.0-x86_32 \0"), AT.capabilities);
  bytes.set(Buffer.from(".7\0"), AT.extraversion);
  for (let i = 0; i < 4; i += 1) writer.u64(AT.extentStarts + i * 8, BigInt(0x80000 + i * 512));
  MAP.forEach(([addr, size, type], i) => {
    E820Entry.write(bytes, { addr, size, type }, AT.map + i * E820Entry.size);
  });
  for (let at = AT.table; at < INPUT_SIZE; at += 8) writer.u64(at, BigInt(at / 8));
  return bytes;
}

/** Fills `target` with copies of what the input has from `at` on. */
function repeat(input: Uint8Array, at: number, target: Uint8Array): void {
  const piece = input.subarray(at);
  if (piece.length === 0) return;
  target.set(piece.subarray(0, target.length));
  for (let done = piece.length; done < target.length; done *= 2) {
    target.copyWithin(done, 0, Math.min(done, target.length - done));
  }
}

/** The kernel passes on what is an error number, and no other number below 0. */
const answer = (value: number): number => (value < -ERRNO_MAX ? -EINVAL : value);

/** The device behind which `input` answers. */
function device(given: Uint8Array): Privcmd {
  const input = new Uint8Array(INPUT_SIZE);
  input.set(given.subarray(0, INPUT_SIZE));
  const view = new DataView(input.buffer);
  const held = new Map<bigint, Uint8Array>();
  let next = 0x1000n;
  const at = (address: bigint): Uint8Array => {
    const bytes = held.get(address);
    if (bytes === undefined) throw new RangeError(`no memory of the program's at ${address}`);
    return bytes;
  };
  const memoryOp = (command: bigint, argument: bigint): number => {
    const struct = at(argument);
    if (command === BigInt(MemoryCommand.XENMEM_machine_memory_map)) {
      repeat(input, AT.map, at(XenMemoryMap.read(struct).buffer).subarray(0, AT.table - AT.map));
      XenMemoryMap.write(struct, { nr_entries: view.getUint32(AT.entries, true) });
      return 0;
    }
    const starts = at(XenMachphysMfnList.read(struct).extent_start);
    starts.set(input.subarray(AT.extentStarts, AT.map));
    XenMachphysMfnList.write(struct, { nr_extents: view.getUint32(AT.extents, true) });
    return 0;
  };
  const kexecOp = (argument: bigint): number => {
    const struct = at(argument);
    const { range, nr } = XenKexecRange.read(struct);
    const place = AT.ranges + (range & 3) * 16;
    if (nr > 3) return -EINVAL;
    const [start, size] = [view.getBigUint64(place, true), view.getBigUint64(place + 8, true)];
    XenKexecRange.write(struct, { start, size });
    return 0;
  };
  return {
    path: "/dev/xen/privcmd",
    hypercall(op, [command = 0n, argument = 0n]) {
      if (op === Hypercall.memory_op) return memoryOp(command, argument);
      if (op === Hypercall.kexec_op) return kexecOp(argument);
      if (command === 0n) return answer(view.getInt32(AT.version, true));
      const from = command === 1n ? AT.extraversion : AT.capabilities;
      const text = at(argument);
      text.set(input.subarray(from, Math.min(from + text.length, AT.extentStarts)));
      return 0;
    },
    allocate(size): HypercallMemory {
      const address = next;
      next += 0x1_0000_0000n;
      const bytes = new Uint8Array(size);
      held.set(address, bytes);
      return { address, bytes, free: () => held.delete(address) };
    },
    readFrames(_, frames) {
      const error = view.getInt32(AT.frames, true);
      if (error !== 0) return answer(error < 0 ? error : -EINVAL);
      const bytes = new Uint8Array(frames.length * PAGE);
      repeat(input, AT.table, bytes);
      return bytes;
    },
    close() {},
  };
}

let linux: HostFacts | null = null;

/** What is read can be saved and read again, and a plan for it keeps to the rules. */
function readAnswers(input: Uint8Array): void {
  linux ??= machine("qemu-2g-xen-crash");
  const open = () => device(input);
  const facts = readXenFacts(xenDirect(device(input)), linux, open);
  planBoth(factsFromJson(factsToJson(facts)), makeBzImage());
}

/** A case takes a machine's facts, two plans and a table of memory: a tenth of a second. */
export const XEN = [
  { ...bytesTarget("xen/hypercalls", () => [hypervisor()], readAnswers), turn: 4 },
];
