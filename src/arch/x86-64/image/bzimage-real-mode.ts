/**
 * The 16-bit entry of compressed kernels, for `--real-mode`, and the only one that zImages and
 * kernels before boot protocol 2.02 have. The kernel's own real-mode code asks the BIOS for memory,
 * screen and disks, and goes on to its 32-bit code. [x86-boot] "Running the Kernel"
 */

import { alignUp, hex, KIB, MIB } from "../../../core/address.ts";
import { bytesOf, Writer } from "../../../core/bytes.ts";
import { parameters } from "../../../core/command-line.ts";
import { failImage } from "../../../core/error.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import type { DraftPlan, Image, PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import { LOADER_TYPE_KEXEC } from "../handoff/boot-params.ts";
import { deviceTree } from "../handoff/device-tree.ts";
import {
  layoutSetupData,
  SETUP_DATA_ALIGNMENT,
  SETUP_RNG_SEED,
  setupDataSize,
} from "../handoff/setup-data.ts";
import { CAN_USE_HEAP, SetupHeader } from "../handoff/setup-header.ts";
import { LOW_MEMORY_END, OLD_REAL_MODE_CODE, purgatoryPlace, reachName } from "../layout.ts";
import {
  type CompressedKernel,
  checkAlignment,
  checkLength,
  commandLineLimit,
  initrdLimit,
  setupSize,
} from "./bzimage-parts.ts";
import {
  checkDeviceTree,
  isRelocatable,
  isZImage,
  kernelEnd,
  placeVersioned,
  VERSION_CMD_LINE_PTR,
  VERSION_HEAP,
  VERSION_SETUP_DATA,
} from "./bzimage-versions.ts";
import { requireBios } from "./needs-bios.ts";
import { placeInitrd } from "./place-initrd.ts";

/** Segments are not placed in the first pages, which the BIOS uses. */
const LOWEST_SETUP = 64n * KIB;
/** The real-mode code with its variables ends here at the latest. */
const SETUP_MAX = 0x8000;
/** Where its heap and its stack end, and the command line begins. [x86-boot] */
const HEAP_END = 0xe000;
const OLD_HEAP_END = 0x9800;
/** Bytes between the heap's end and the stack's top. */
const STACK_SIZE = 0x200;
/** Paragraphs of 16 bytes from the segment's start to the kernel's first instruction. */
const ENTRY_PARAGRAPHS = 0x20;
/** Before protocol 2.02 had `cmd_line_ptr`, the boot sector had a magic number and the command
 * line's offset. [x86-boot] */
export const OLD_COMMAND_LINE = { mark: 0xa33f, markAt: 0x20, offsetAt: 0x22 } as const;

/** Whether the kernel requires its real-mode code at 0x90000. */
function isOld(header: SetupHeader): boolean {
  return header.version < VERSION_CMD_LINE_PTR || isZImage(header);
}

/** The video mode: the boot loader evaluates `vga=` of the command line.
 * [x86-boot] "Special Command Line Options" */
const VIDEO_MODES: Readonly<Record<string, number>> = { normal: 0xffff, ext: 0xfffe, ask: 0xfffd };

function videoMode(commandLine: string): number | null {
  const words = parameters(commandLine).map(({ start, end }) => commandLine.slice(start, end));
  const text = words.findLast((word) => word.startsWith("vga="))?.slice("vga=".length);
  if (text === undefined || text === "") return null;
  const named = VIDEO_MODES[text];
  if (named !== undefined) return named;
  if (!/^(?:0x[0-9a-f]{1,4}|[0-9]{1,5})$/i.test(text)) return null;
  return Number(BigInt(text) & 0xffffn);
}

/** Takes memory for the setup_data chain, and makes its segment. */
function placeSetupData(context: PlanContext, header: SetupHeader): Segment | null {
  const { rngSeed, pageSize } = context.facts;
  const nodes = [
    ...deviceTree(context.inputs.dtb).nodes,
    ...(rngSeed === null ? [] : [{ type: SETUP_RNG_SEED, data: rngSeed }]),
  ];
  if (nodes.length === 0 || header.version < VERSION_SETUP_DATA) return null;
  const size = alignUp(BigInt(setupDataSize(nodes)), BigInt(pageSize));
  return context.put({
    ...{ role: "setup-data", size, alignment: SETUP_DATA_ALIGNMENT },
    ...{ min: MIB, max: kernelEnd(header), maxFrom: reachName(kernelEnd(header)) },
    bytes: (start) => layoutSetupData(nodes, start).bytes,
    reason: "the highest free pages that the kernel maps",
  });
}

interface Places {
  readonly kernel: Segment;
  readonly initrd: Segment | null;
  readonly setupData: Segment | null;
}

/** The kernel's real-mode code with the setup header filled in, for address `start`. */
function setupBytes(
  context: PlanContext,
  { file, header }: CompressedKernel,
  { kernel, initrd, setupData }: Places,
  start: bigint,
): Uint8Array {
  const text = context.commandLine?.text ?? "";
  const commandLine = bytesOf(`${text}\0`);
  const heapEnd = isOld(header) ? OLD_HEAP_END : HEAP_END;
  const bytes = new Uint8Array(heapEnd + commandLine.length);
  bytes.set(file.subarray(0, setupSize(header)));
  bytes.set(commandLine, heapEnd);
  const { version, loadflags } = header;
  const video = videoMode(text);
  SetupHeader.write(bytes, {
    type_of_loader: LOADER_TYPE_KEXEC,
    ramdisk_image: Number(initrd?.start ?? 0n),
    ramdisk_size: initrd?.bytes.length ?? 0,
    ...(video === null ? {} : { vid_mode: video }),
    ...(isZImage(header) ? {} : { code32_start: Number(kernel.start) }),
    ...(version < VERSION_HEAP
      ? {}
      : { loadflags: loadflags | CAN_USE_HEAP, heap_end_ptr: heapEnd - STACK_SIZE }),
    ...(setupData === null ? {} : { setup_data: setupData.start }),
  });
  if (version >= VERSION_CMD_LINE_PTR) {
    SetupHeader.write(bytes, { cmd_line_ptr: Number(start) + heapEnd });
    return bytes;
  }
  SetupHeader.write(bytes, { setup_move_size: bytes.length });
  const writer = new Writer(bytes);
  writer.u16(OLD_COMMAND_LINE.markAt, OLD_COMMAND_LINE.mark);
  writer.u16(OLD_COMMAND_LINE.offsetAt, heapEnd);
  return bytes;
}

function placeSetup(context: PlanContext, kernel: CompressedKernel, places: Places): Segment {
  const old = isOld(kernel.header);
  const make = (start: bigint) => setupBytes(context, kernel, places, start);
  const size = alignUp(BigInt(make(0n).length), BigInt(context.facts.pageSize));
  const [min, max] = old
    ? [OLD_REAL_MODE_CODE, OLD_REAL_MODE_CODE + size]
    : [LOWEST_SETUP, LOW_MEMORY_END];
  return context.put({
    ...{ role: "real-mode", size, alignment: 16n, min, max, from: "bottom" },
    bytes: make,
    reason: old ? "where such old kernels expect it" : "the lowest place from 64 KiB on",
  });
}

/** @throws ImageError `image.crash`: the kernel would take all memory in the BIOS's memory map, not
 * only the crash region */
function checkPurpose({ capture }: PlanContext): void {
  if (!capture) return;
  failImage({
    code: "image.crash",
    message: "Can't use bzImage for crash dump purposes with real mode entry",
  });
}

function checkSetup(header: SetupHeader): void {
  const size = setupSize(header);
  if (size <= SETUP_MAX) return;
  failImage({
    code: "image.header",
    message:
      `the real-mode code has ${hex(size)} bytes (setup_sects ${header.setup_sects} at 0x1f1), ` +
      `more than the ${hex(SETUP_MAX)} bytes in front of its heap`,
  });
}

function draft(context: PlanContext, image: CompressedKernel): DraftPlan {
  checkPurpose(context);
  requireBios(context.facts);
  const { header } = image;
  checkDeviceTree(context, header);
  const kernel = placeVersioned(context, image);
  const initrd = placeInitrd(context, initrdLimit(header));
  const setupData = placeSetupData(context, header);
  const setup = placeSetup(context, image, { kernel, initrd, setupData });
  const segment = Number(setup.start / 16n);
  const others = [initrd, setupData].filter((one) => one !== null);
  return {
    segments: [setup, kernel, ...others],
    entryState: {
      arch: "x86_64",
      mode: 16,
      rip: 0n,
      rsp: BigInt(isOld(header) ? OLD_HEAP_END : HEAP_END),
      segments: {
        ...{ ds: segment, es: segment, fs: segment, gs: segment, ss: segment },
        cs: segment + ENTRY_PARAGRAPHS,
      },
    },
    commandLine: context.commandLine?.text ?? "",
    notes: [
      "The kernel is entered in real mode and asks the BIOS for memory, screen and disks.",
      ...deviceTree(context.inputs.dtb).notes,
    ],
  };
}

const OPTIONS = [
  "real-mode",
  // These have no effect, but callers give them for every kernel.
  ...["entry-32bit", "args-linux"],
  ...LINUX_OPTIONS,
  "dtb",
];

/** A kernel that is entered in real mode. @throws KexecError `image.*` */
export function realModeImage(kernel: CompressedKernel): Image {
  const { file, header } = kernel;
  checkLength(kernel);
  checkSetup(header);
  if (isRelocatable(header)) checkAlignment(header);
  return {
    match: true,
    type: "bzImage",
    options: OPTIONS,
    commandLineLimit: commandLineLimit(header),
    takesEfi: false,
    memorySize: BigInt(file.length),
    whyNotByFile: "kexec_file_load enters kernels in 64-bit mode, not in real mode",
    purgatory: purgatoryPlace(16),
    draft: (context) => draft(context, kernel),
  };
}
