/** Dumps: the log of every kind of kernel, of Xen's dom0, and of memory by physical addresses. */

import { dumpLog } from "../../../src/vmcore/dump-log.ts";
import { type CoreOptions, type LogKind, makeCore } from "../../vmcore/make-core.ts";
import { makeXenCore } from "../../vmcore/make-xen-core.ts";
import { bytesTarget } from "../target.ts";

const RECORDS: CoreOptions["records"] = Array.from({ length: 12 }, (_, i) => ({
  text: `line ${i} of the log\nwith a second half`,
  time: BigInt(i) * 1_000_000_000n,
}));
const EM_386 = 3;
const EM_AARCH64 = 183;
const EM_S390 = 22;

const cores = (kind: LogKind): Uint8Array[] => [
  makeCore({ kind, records: RECORDS, sizeBits: 11 }),
  makeCore({ kind, records: RECORDS, sizeBits: 11, elf: 32, machine: EM_386 }),
  makeCore({ kind, records: RECORDS, sizeBits: 11, machine: EM_S390, bigEndian: true }),
  makeCore({ kind, records: RECORDS, sizeBits: 11, virtual: "zero", machine: EM_AARCH64 }),
];

function readLog(core: Uint8Array): void {
  dumpLog(
    "CORE",
    (offset, length) => core.slice(offset, offset + length),
    () => {},
  );
}

export const CORES = [
  ...(["ringbuffer", "records", "plain"] as const).map((kind) =>
    bytesTarget(`vmcore/${kind}`, () => cores(kind), readLog),
  ),
  bytesTarget(
    "vmcore/xen",
    () => [makeXenCore({ kind: "ringbuffer", records: RECORDS, sizeBits: 11 })],
    readLog,
  ),
];
