/** Unpacks the kernel in an image before the reboot. Whatever is in the way, the image is loaded
 * as it is, and a note says why. */

import { humanSize, MIB } from "../core/address.ts";
import { KexecError } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { PlanInputs } from "../model/image-type.ts";
import type { SegmentPlan } from "../model/load-plan.ts";
import type { Payload, RandomPlaces, UnpackedKernel } from "../model/payload.ts";
import type { LoadRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { buildSegmentPlan } from "../plan/build-plan.ts";
import { type AsItIs, type ToUnpack, toUnpack } from "../plan/unpacking.ts";

/** Memory that stays free besides what is known to be needed, in bytes. */
const SPARE = 32n * MIB;
/** Codes of plans that demand too much: the image as it is may take less. */
const TOO_MUCH = ["plan.no-room", "plan.too-large", "plan.segment-count"];

type UnpackWorld = Pick<World, "availableMemory" | "expandLzma" | "random">;

interface Unpacked {
  readonly kernel: UnpackedKernel;
  readonly note: string;
}

const itself = (why: string): string => `the kernel unpacks itself after the reboot: ${why}`;

const reasonOf = ({ message, hint }: KexecError): string =>
  [message, hint ?? ""].flatMap((text) => text.split("\n")).at(0) ?? "";

/** Why there is too little memory to expand the payload and load it; null: there is enough. */
function whyNoMemory({ payload, memorySize }: ToUnpack, initrd: bigint, world: UnpackWorld) {
  const available = world.availableMemory();
  const needed = BigInt(payload.size) + memorySize + initrd + SPARE;
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

async function expanded(payload: Payload, random: RandomPlaces | null, world: UnpackWorld) {
  const { expandPayload } = await import("../wrapper/payload.ts");
  const { bytes, format } = expandPayload(payload.bytes, payload.size, world.expandLzma);
  const note =
    `the kernel is unpacked before the reboot: ${format}, ${payload.bytes.length} -> ` +
    `${bytes.length} bytes; ${random === null ? "nokaslr: not randomized" : "randomized (KASLR)"}`;
  return { kernel: payload.unpack(bytes, random), note };
}

/** The kernel in the image, or why the image is loaded as it is; null: it has no such kernel.
 * @throws KexecError as `toUnpack` */
async function unpack(
  request: LoadRequest,
  facts: HostFacts,
  { kernel, initrd }: PlanInputs,
  world: UnpackWorld,
): Promise<Unpacked | AsItIs | null> {
  const found = toUnpack(request, facts, kernel);
  if (found === null || "asItIs" in found) return found;
  const { payload } = found;
  const asItIs = whyNoMemory(found, BigInt(initrd?.bytes.length ?? 0), world);
  if (asItIs !== null) return { asItIs };
  const random = payload.isRandomized ? await randomPlaces(request, world) : null;
  if (payload.isRandomized && random === null) {
    return { asItIs: "the running kernel has no random numbers yet" };
  }
  try {
    return await expanded(payload, random, world);
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return { asItIs: reasonOf(error) };
  }
}

/**
 * The plan of segments with the kernel unpacked, or with its image as it is, and a note on which.
 * @throws KexecError as `buildSegmentPlan`
 */
export async function planUnpacked(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  world: UnpackWorld,
): Promise<SegmentPlan> {
  const build = (all: PlanInputs, note: string | null): SegmentPlan => {
    const plan = buildSegmentPlan(request, facts, all);
    return note === null ? plan : { ...plan, notes: [note, ...plan.notes] };
  };
  const unpacked = await unpack(request, facts, inputs, world);
  if (unpacked === null) return build(inputs, null);
  if ("asItIs" in unpacked) return build(inputs, itself(unpacked.asItIs));
  try {
    return build({ ...inputs, unpacked: unpacked.kernel }, unpacked.note);
  } catch (error) {
    if (!(error instanceof KexecError) || !TOO_MUCH.includes(error.code)) throw error;
    return build(inputs, itself(`unpacked, it does not fit: ${reasonOf(error)}`));
  }
}
