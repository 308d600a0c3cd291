/** A bzImage whose kernel is unpacked before the reboot: its payload, and the plan's segments. */

import { ADDRESS_END, hex, MIB } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import { failImage } from "../../../core/error.ts";
import { NoRoom } from "../../../core/no-room.ts";
import type { HostFacts } from "../../../model/host-facts.ts";
import type { DraftPlan, Piece, Placement, PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import type { Payload, UnpackedKernel } from "../../../model/payload.ts";
import { type CompressedKernel, protectedModeCode } from "./bzimage-parts.ts";
import { placeBootParams } from "./linux-boot-params.ts";
import { placeInitrd } from "./place-initrd.ts";
import { isRandomized, whyUnpacksItself } from "./unpack-rules.ts";
import { unpackKernel } from "./unpacked-kernel.ts";

/** The payload ends with the size that it expands to. [linux scripts/Makefile.lib size_append] */
const SIZE_LENGTH = 4;
const NO_BYTES = new Uint8Array(0);
/** Where random addresses begin, if there is room: the memory below has uses of its own, such as
 * crashkernel=. [linux arch/x86/boot/compressed/kaslr.c choose_random_location] */
const RANDOM_FROM = 512n * MIB;

/**
 * The payload's bytes, and the size that they expand to, which the kernel has memory for.
 * [x86-boot] 0x248 payload_offset, 0x24c payload_length, 0x260 init_size
 * @throws ImageError `image.payload` where the file does not have them, or the size is too large
 */
function readPayload(kernel: CompressedKernel): Pick<Payload, "bytes" | "size"> {
  const code = protectedModeCode(kernel);
  const { payload_offset: start, payload_length: length, init_size } = kernel.header;
  const unexpected = (message: string): never => failImage({ code: "image.payload", message });
  if (length <= SIZE_LENGTH || start + length > code.length) {
    return unexpected(`its header names ${length} bytes at ${hex(start)} as its payload`);
  }
  const bytes = code.subarray(start, start + length);
  const size = new Reader(bytes, "payload").u32(length - SIZE_LENGTH);
  if (size <= init_size) return { bytes, size };
  return unexpected(
    `its payload says that it has ${hex(size)} bytes, init_size is ${hex(init_size)}`,
  );
}

/**
 * What the kernel unpacks when it starts, or why it must do that itself.
 * @param commandLine the next kernel's
 * @throws ImageError `image.payload` where its header names no bytes that it has
 */
export function payloadOf(
  kernel: CompressedKernel,
  facts: HostFacts | null,
  commandLine: string,
): Payload | { readonly asItIs: string } {
  const asItIs = whyUnpacksItself(kernel.header, commandLine, facts);
  if (asItIs !== null) return { asItIs };
  return {
    ...readPayload(kernel),
    isRandomized: isRandomized(commandLine),
    unpack: (expanded, random) => unpackKernel(expanded, kernel.header, random),
  };
}

/** Takes memory for all of the kernel, its gaps included. @throws KexecError `plan.no-room` */
function takeMemory(context: PlanContext, kernel: UnpackedKernel): Segment {
  const { size, alignment, min, random } = kernel;
  const pieceFrom = (lowest: bigint, from: Placement["from"], which: string): Piece => ({
    ...{ role: "kernel", bytes: NO_BYTES, size, alignment, min: lowest, from },
    minFrom: `pref_address ${hex(min)} of the kernel (0x258)`,
    reason:
      `${which} of ${hex(alignment)} with ${hex(size)} bytes for the unpacked kernel, ` +
      `not below ${hex(lowest)}`,
  });
  if (random === null) return context.put(pieceFrom(min, "top", "the highest free multiple"));
  const pick = (lowest: bigint): Piece =>
    pieceFrom(lowest, { random }, "a random one (KASLR) of the free multiples");
  const placed = min < RANDOM_FROM ? context.tryPut(pick(RANDOM_FROM)) : null;
  return placed === null || placed instanceof NoRoom ? context.put(pick(min)) : placed;
}

/** The segments of the kernel, one for each of its parts. @throws KexecError `plan.no-room` */
function placeKernel(context: PlanContext, kernel: UnpackedKernel): Segment[] {
  const whole = takeMemory(context, kernel);
  return kernel.parts.map(({ offset, size, bytes }) => ({
    ...{ ...whole, start: whole.start + offset, size, bytes },
    reason: offset === 0n ? whole.reason : `its place in the kernel at ${hex(whole.start)}`,
  }));
}

/**
 * The draft with the kernel that was unpacked. Its initrd and its boot params come first: a kernel
 * in the middle of the memory must not leave too little for them.
 * @throws KexecError `plan.no-room`
 */
export function draftUnpacked(
  context: PlanContext,
  { file, header }: CompressedKernel,
  kernel: UnpackedKernel,
): DraftPlan {
  const max = ADDRESS_END;
  const initrd = placeInitrd(context, { max, why: "; this kernel accepts an initrd above 4 GiB" });
  const kaslr = kernel.random !== null;
  const bootParams = placeBootParams(context, { image: file, header, initrd, max, kaslr });
  const segments = placeKernel(context, kernel);
  const start = segments[0]?.start ?? 0n;
  return {
    segments: [...segments, ...(initrd === null ? [] : [initrd]), bootParams.segment],
    entryState: {
      ...{ arch: "x86_64", mode: 64, rip: start + kernel.entry },
      rsi: bootParams.segment.start,
    },
    commandLine: context.commandLine?.text ?? "",
    commandLineEnd: bootParams.commandLineEnd,
    notes: bootParams.notes,
  };
}
