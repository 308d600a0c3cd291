/**
 * Whether a kernel and its initrd are unpacked before the reboot. That is done where the next
 * kernel is then just what it would have made of itself, and nobody waits for its decompressor.
 */

import { findArch } from "../arch/index.ts";
import { ImageError } from "../core/error.ts";
import { readImage } from "../image/read-image.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { Image, InputFile } from "../model/image-type.ts";
import type { Payload } from "../model/payload.ts";
import type { LoadRequest } from "../model/request.ts";
import { nextCommandLine } from "./command-line.ts";
import { purposeOf } from "./purpose/index.ts";

/** The image unpacks itself; why, a part of a sentence. */
export interface AsItIs {
  readonly asItIs: string;
}

/** What is unpacked of an image and its initrd, or why it unpacks them itself. */
export interface Unpacking {
  readonly kernel: Payload | AsItIs;
  /** null: an initrd may be unpacked. */
  readonly initrd: AsItIs | null;
  /** The memory that the kernel takes, in bytes. */
  readonly memorySize: bigint;
}

/** Why nothing is unpacked, whatever the image; null: it may be. */
function whyNone(request: LoadRequest): string | null {
  if (!request.unpack) return "--no-unpack";
  if (request.purpose === "crash") return "a crash kernel takes as little memory as it can";
  if (request.purpose !== "normal")
    return "only a kernel that replaces the running one is unpacked";
  return request.entry === 0n ? null : "--entry names an address of the image as it is";
}

/** Why an initrd is not unpacked, where the kernel may be; null: it may be. An unpacked one takes
 * more of the memory where segments are safe, which guests leave little of. */
function whyNoInitrd({ segmentRules }: HostFacts): string | null {
  return segmentRules.guestOwned === null ? null : "the host has guests, which need the memory";
}

/** An image of a type that unpacks something. */
type Unpacks = Image & Required<Pick<Image, "payload">>;

const unpacks = (image: Image): image is Unpacks => image.payload !== undefined;

function kernelOf(image: Unpacks, commandLine: string): Payload | AsItIs {
  try {
    return image.payload(commandLine);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { asItIs: error.message };
  }
}

/**
 * What is unpacked of an image and its initrd; null where images of its type unpack nothing, and
 * for a machine of an unknown architecture.
 * @throws KexecError `image.*`, `facts.*` as the plan would
 */
export function toUnpack(
  request: LoadRequest,
  facts: HostFacts,
  kernel: InputFile,
): Unpacking | null {
  const arch = findArch(facts);
  if (arch === undefined) return null;
  const image = readImage(arch.imageTypes, kernel, request.type, request.loader, facts);
  if (!unpacks(image)) return null;
  const none = whyNone(request);
  const { memorySize } = image;
  if (none !== null) return { kernel: { asItIs: none }, initrd: { asItIs: none }, memorySize };
  const { notReused } = purposeOf(request.purpose);
  const commandLine = nextCommandLine(request.loader, facts, notReused) ?? "";
  const asItIs = whyNoInitrd(facts);
  const initrd = asItIs === null ? null : { asItIs };
  return { kernel: kernelOf(image, commandLine), initrd, memorySize };
}
