/** Unpacks the kernel in an image, and an xz initrd, before the reboot. Whatever is in the way,
 * they are loaded as they are, and a note says why. */

import { ADDRESS_END, humanSize, MIB } from "../core/address.ts";
import { KexecError } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { InputFile, PlanInputs } from "../model/image-type.ts";
import type { SegmentPlan } from "../model/load-plan.ts";
import type { Payload, RandomPlaces } from "../model/payload.ts";
import type { LoadRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { buildSegmentPlan } from "../plan/build-plan.ts";
import { type AsItIs, toUnpack, type Unpacking } from "../plan/unpacking.ts";

/** Memory that stays free besides what is known to be needed, in bytes. */
const SPARE = 32n * MIB;
/** Codes of plans that demand too much: the image as it is may take less. */
const TOO_MUCH = ["plan.no-room", "plan.too-large", "plan.segment-count"];

type UnpackWorld = Pick<World, "availableMemory" | "expandLzma" | "random">;

/** The most of all memory that an unpacked initrd may take: it is there twice until its files are
 * made, and the next kernel needs memory for the rest. */
const INITRD_SHARE = 4n;

/** What is loaded of the kernel, or as its initrd. */
interface Part {
  /** What takes the place of the file; null: the file is loaded as it is. */
  readonly unpacked: Pick<PlanInputs, "unpacked"> | Pick<PlanInputs, "initrd"> | null;
  readonly note: string;
  /** The same part as it is in its file. */
  asItIs(why: string): Part;
}

const kernelAsItIs = (why: string): Part => ({
  unpacked: null,
  note: `the kernel unpacks itself after the reboot: ${why}`,
  asItIs: kernelAsItIs,
});

const initrdAsItIs = (why: string): Part => ({
  unpacked: null,
  note: `the kernel unpacks the initrd after the reboot: ${why}`,
  asItIs: initrdAsItIs,
});

const reasonOf = ({ message, hint }: KexecError): string =>
  [message, hint ?? ""].flatMap((text) => text.split("\n")).at(0) ?? "";

/** Why there is too little memory to expand the payload and load it; null: there is enough. */
function whyNoMemory(
  payload: Payload,
  memorySize: bigint,
  initrd: InputFile | null,
  world: UnpackWorld,
): string | null {
  const available = world.availableMemory();
  const needed = BigInt(payload.size) + memorySize + BigInt(initrd?.bytes.length ?? 0) + SPARE;
  if (available === null || needed <= available) return null;
  return `that needs ${humanSize(needed)} of memory, ${humanSize(available)} are available`;
}

/** Random numbers for the kernel's places; a plan for another machine is the same each time. */
async function randomPlaces(
  { facts }: LoadRequest,
  world: UnpackWorld,
): Promise<RandomPlaces | null> {
  if (facts !== null) return { virtual: 0n, physical: 0n };
  const [virtual, physical] = [await world.random(), await world.random()];
  return virtual === null || physical === null ? null : { virtual, physical };
}

async function expandKernel(
  payload: Payload,
  random: RandomPlaces | null,
  world: UnpackWorld,
): Promise<Part> {
  const { expandPayload } = await import("../wrapper/payload.ts");
  const { bytes, format } = expandPayload(payload.bytes, payload.size, world.expandLzma);
  const note =
    `the kernel is unpacked before the reboot: ${format}, ${payload.bytes.length} -> ` +
    `${bytes.length} bytes; ${random === null ? "nokaslr: not randomized" : "randomized (KASLR)"}`;
  return { unpacked: { unpacked: payload.unpack(bytes, random) }, note, asItIs: kernelAsItIs };
}

async function kernelPart(
  request: LoadRequest,
  { kernel: payload, memorySize }: Unpacking,
  { initrd }: PlanInputs,
  world: UnpackWorld,
): Promise<Part> {
  if ("asItIs" in payload) return kernelAsItIs(payload.asItIs);
  const why = whyNoMemory(payload, memorySize, initrd, world);
  if (why !== null) return kernelAsItIs(why);
  const random = payload.isRandomized ? await randomPlaces(request, world) : null;
  if (payload.isRandomized && random === null) {
    return kernelAsItIs("the running kernel has no random numbers yet");
  }
  try {
    return await expandKernel(payload, random, world);
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return kernelAsItIs(reasonOf(error));
  }
}

/** The most bytes that an unpacked initrd may have: it is in memory twice while it is loaded.
 * @param kernelSize the memory that the kernel is loaded to, in bytes */
function initrdLimit({ memTotal }: HostFacts, kernelSize: bigint, world: UnpackWorld): bigint {
  const available = world.availableMemory();
  const loadable = available === null ? ADDRESS_END : (available - kernelSize - SPARE) / 2n;
  const bootable = memTotal === null ? ADDRESS_END : memTotal / INITRD_SHARE;
  return loadable < bootable ? loadable : bootable;
}

/** @returns null for an initrd that is no xz */
async function initrdPart(
  none: AsItIs | null,
  { path, bytes: file }: InputFile,
  limit: bigint,
  world: UnpackWorld,
): Promise<Part | null> {
  const { expandInitramfs, isXzInitramfs } = await import("../wrapper/initramfs.ts");
  if (!isXzInitramfs(file)) return null;
  if (none !== null) return initrdAsItIs(none.asItIs);
  if (limit <= BigInt(file.length)) return initrdAsItIs("there is too little memory");
  try {
    const bytes = expandInitramfs(file, world.expandLzma, Number(limit));
    const sizes = `${file.length} -> ${bytes.length} bytes`;
    const note = `the initrd is unpacked before the reboot: xz, ${sizes}`;
    return { unpacked: { initrd: { path, bytes } }, note, asItIs: initrdAsItIs };
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return initrdAsItIs(reasonOf(error));
  }
}

async function partsOf(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  world: UnpackWorld,
): Promise<readonly Part[]> {
  const found = toUnpack(request, facts, inputs.kernel);
  if (found === null) return [];
  const kernel = await kernelPart(request, found, inputs, world);
  if (inputs.initrd === null) return [kernel];
  const limit = initrdLimit(facts, found.memorySize, world);
  const initrd = await initrdPart(found.initrd, inputs.initrd, limit, world);
  return initrd === null ? [kernel] : [kernel, initrd];
}

/** `parts` with the last that is unpacked as it is in its file; null where none is unpacked. */
function oneLess(parts: readonly Part[], why: string): readonly Part[] | null {
  const last = parts.findLastIndex(({ unpacked }) => unpacked !== null);
  if (last === -1) return null;
  return parts.map((part, i) => (i === last ? part.asItIs(why) : part));
}

/**
 * The plan of segments with the kernel and an xz initrd unpacked, or as they are in their files,
 * and a note on each.
 * @throws KexecError as `buildSegmentPlan`
 */
export async function planUnpacked(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  world: UnpackWorld,
): Promise<SegmentPlan> {
  let parts = await partsOf(request, facts, inputs, world);
  for (;;) {
    try {
      const unpacked: PlanInputs = Object.assign({}, inputs, ...parts.map((part) => part.unpacked));
      const plan = buildSegmentPlan(request, facts, unpacked);
      return { ...plan, notes: [...parts.map(({ note }) => note), ...plan.notes] };
    } catch (error) {
      if (!(error instanceof KexecError) || !TOO_MUCH.includes(error.code)) throw error;
      const fewer = oneLess(parts, `unpacked, it does not fit: ${reasonOf(error)}`);
      if (fewer === null) throw error;
      parts = fewer;
    }
  }
}
