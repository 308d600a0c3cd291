/**
 * Whether a kernel is unpacked before the reboot. That is done where the next kernel is then just
 * what it would have made of itself, and nobody waits for its decompressor.
 */

import { findArch } from "../arch/index.ts";
import { ImageError } from "../core/error.ts";
import { readImage } from "../image/read-image.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { InputFile } from "../model/image-type.ts";
import type { Payload } from "../model/payload.ts";
import type { LoadRequest } from "../model/request.ts";
import { nextCommandLine } from "./command-line.ts";
import { purposeOf } from "./purpose/index.ts";

/** The image unpacks itself; why, a part of a sentence. */
export interface AsItIs {
  readonly asItIs: string;
}

/** What is unpacked, and the memory that the next kernel then takes, in bytes. */
export interface ToUnpack {
  readonly payload: Payload;
  readonly memorySize: bigint;
}

/** Why no kernel is unpacked, whatever its image; null: it may be. */
function whyNone(request: LoadRequest): string | null {
  if (!request.unpack) return "--no-unpack";
  if (request.purpose === "crash") return "a crash kernel takes as little memory as it can";
  if (request.purpose !== "normal")
    return "only a kernel that replaces the running one is unpacked";
  return request.entry === 0n ? null : "--entry names an address of the image as it is";
}

/**
 * What is unpacked of an image, or why it unpacks itself; null where images of its type unpack
 * nothing, and for a machine of an unknown architecture.
 * @throws KexecError `image.*`, `facts.*` as the plan would
 */
export function toUnpack(
  request: LoadRequest,
  facts: HostFacts,
  kernel: InputFile,
): ToUnpack | AsItIs | null {
  const arch = findArch(facts);
  if (arch === undefined) return null;
  const image = readImage(arch.imageTypes, kernel, request.type, request.loader, facts);
  if (image.payload === undefined) return null;
  const asItIs = whyNone(request);
  if (asItIs !== null) return { asItIs };
  const { notReused } = purposeOf(request.purpose);
  const commandLine = nextCommandLine(request.loader, facts, notReused) ?? "";
  try {
    const payload = image.payload(commandLine);
    return "asItIs" in payload ? payload : { payload, memorySize: image.memorySize };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { asItIs: error.message };
  }
}
