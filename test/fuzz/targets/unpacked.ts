/** The kernel in a bzImage: what its header names, what that expands to, and the plan of it. */

import { joined } from "../../../src/core/bytes.ts";
import { parseCpuinfo } from "../../../src/facts/cpu-flags.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { Payload, UnpackedKernel } from "../../../src/model/payload.ts";
import { NO_X86_FACTS } from "../../../src/model/x86-64.ts";
import { buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { toUnpack } from "../../../src/plan/unpacking.ts";
import { expandInitramfs, isXzInitramfs } from "../../../src/wrapper/initramfs.ts";
import { expandPayload } from "../../../src/wrapper/payload.ts";
import { expandXz } from "../../../src/wrapper/xz.ts";
import { makeExpanded, makeLinux, RELOCATIONS } from "../../images/make-payload.ts";
import { machine } from "../../plan/golden.ts";
import { file, pattern } from "../../plan/pieces.ts";
import { loadRequest, NO_FILES } from "../../plan/requests.ts";
import { cpio } from "../../vm/cpio.ts";
import { packedBy } from "../../wrapper/make-wrapped.ts";
import { bytesTarget, textTarget } from "../target.ts";
import { checkOutcome } from "./plans.ts";

const CPU = { fiveLevelPaging: true, virtualBits: 57, encryptedMemory: false };
const RANDOM = { virtual: 300n, physical: 123456789n };
const NONE = new Uint8Array(0);
/** Bytes that one payload may expand to. */
const LIMIT = 1 << 20;

let recorded: HostFacts | null = null;
const facts = (): HostFacts => {
  recorded ??= { ...machine("qemu-6g-bios"), x86_64: { ...NO_X86_FACTS, ...CPU } };
  return recorded;
};

function payloadIn(image: Uint8Array): Payload | null {
  const found = toUnpack(loadRequest(), facts(), file("/boot/vmlinuz", image));
  return found === null || "asItIs" in found.kernel ? null : found.kernel;
}

/** Its parts are in order, inside its memory, and have its entry. */
function checkKernel({ parts, size, entry }: UnpackedKernel): void {
  let end = 0n;
  for (const part of parts) {
    if (part.offset < end) throw new Error(`a part begins at ${part.offset}, before ${end}`);
    if (BigInt(part.bytes.length) > part.size) throw new Error("more bytes than memory");
    end = part.offset + part.size;
  }
  if (end > size) throw new Error(`the parts end at ${end}, the kernel at ${size}`);
  const inside = parts.some((part) => part.offset <= entry && entry < part.offset + part.size);
  if (!inside) throw new Error(`the entry ${entry} is in no part`);
}

function planOf(image: Uint8Array, unpacked: UnpackedKernel): void {
  checkKernel(unpacked);
  const kernel = file("/boot/vmlinuz", image);
  const plan = buildSegmentPlan(loadRequest(), facts(), { ...NO_FILES, kernel, unpacked });
  checkOutcome(plan, facts());
}

function unpackImage(image: Uint8Array): void {
  const payload = payloadIn(image);
  if (payload === null) return;
  const size = Math.min(payload.size, LIMIT);
  const { bytes } = expandPayload(payload.bytes, size, () => null);
  planOf(image, payload.unpack(bytes, RANDOM));
}

let whole: Uint8Array | null = null;

function unpackExpanded(expanded: Uint8Array): void {
  whole ??= makeLinux();
  const payload = payloadIn(whole);
  if (payload === null) throw new Error("a kernel without a payload");
  planOf(whole, payload.unpack(expanded.slice(), RANDOM));
}

/** Half of it in front, as it is; half of it packed. */
function initramfs(): Uint8Array {
  const [front, packed] = ["kernel/x86/microcode/GenuineIntel.bin", "init"].map((path) =>
    joined(cpio([{ path, data: pattern(300) }])),
  );
  return joined([front ?? NONE, new Uint8Array(64), packedBy(["xz", "-c"], packed ?? NONE)]);
}

function expandInitrd(bytes: Uint8Array): void {
  if (!isXzInitramfs(bytes)) return;
  const expanded = expandInitramfs(bytes, expandXz, LIMIT);
  if (isXzInitramfs(expanded)) throw new Error("not all of it is expanded");
  if (expanded.length > LIMIT) throw new Error(`${expanded.length} bytes, at most ${LIMIT}`);
}

const { add64, add32 } = RELOCATIONS;
const newer = { relocations: { add64, add32 } };

export const UNPACKED = [
  bytesTarget("unpacked/image", () => [makeLinux(), makeLinux(newer)], unpackImage),
  bytesTarget("unpacked/kernel", () => [makeExpanded(), makeExpanded(newer)], unpackExpanded),
  bytesTarget("unpacked/initramfs", () => [initramfs()], expandInitrd),
  textTarget(
    "unpacked/cpuinfo",
    [
      "processor\t: 0\nflags\t\t: fpu la57 sme\nbugs\t\t:\n" +
        "address sizes\t: 52 bits physical, 57 bits virtual\n",
    ],
    parseCpuinfo,
  ),
];
