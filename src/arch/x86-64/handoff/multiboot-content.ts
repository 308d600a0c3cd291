/** What both versions of multiboot pass to an image: memory, frame buffer and strings.
 * [multiboot] */

import { ADDRESS_END, KIB, MIB } from "../../../core/address.ts";
import { bytesOf } from "../../../core/bytes.ts";
import { fail } from "../../../core/error.ts";
import { isEmpty, rangeSize, showRange } from "../../../core/range.ts";
import { defineStruct, type StructValue, u8, u32, u64 } from "../../../core/struct.ts";
import {
  E820_TYPE_PMEM,
  E820_TYPE_PRAM,
  E820_TYPE_SOFT_RESERVED,
} from "../../../facts/e820-entry.ts";
import type { MemoryRange, MemoryType } from "../../../model/memory.ts";
import type { ConsoleRequest } from "../../../model/request.ts";
import { BOOT_LOADER } from "./boot-loader.ts";
import type { NextScreen } from "./next-screen.ts";
import { framebufferAddress } from "./screen-info.ts";

/** `type` of a memory map entry: 1 available, 3 ACPI, 4 ACPI NVS, 5 defective. The types that
 * multiboot does not have keep E820's number: an image must not use them, and Xen passes the number
 * on to dom0. */
const TYPES: Readonly<Record<MemoryType, number>> = {
  ram: 1,
  reserved: 2,
  acpi: 3,
  "acpi-nvs": 4,
  unusable: 5,
  uncached: 2,
  pmem: E820_TYPE_PMEM,
  pram: E820_TYPE_PRAM,
  "soft-reserved": E820_TYPE_SOFT_RESERVED,
};

/** Lower memory may begin up to here, because Linux leaves the first pages out of its map. */
const LOWER_START_MAX = 64n * KIB;
const UINT32_MAX = 0xffffffffn;

/** A loaded module: physical addresses, `end` exclusive, and its command line, a byte string. */
export interface MultibootModule {
  readonly start: bigint;
  readonly end: bigint;
  readonly commandLine: string;
}

export interface MultibootMemory {
  readonly entries: readonly {
    readonly addr: bigint;
    readonly len: bigint;
    readonly type: number;
  }[];
  /** Contiguous RAM from 0 and from 1 MiB on, in KiB. */
  readonly lower: number;
  readonly upper: number;
}

function entryOf(r: MemoryRange): MultibootMemory["entries"][number] {
  const len = rangeSize(r);
  if (len < ADDRESS_END) return { addr: r.start, len, type: TYPES[r.type] };
  return fail({
    code: "plan.memory-map",
    message: `the memory range ${showRange(r)} is too long for an entry of multiboot's memory map`,
  });
}

/**
 * The memory map and the sizes of lower and upper memory.
 * @throws KexecError `plan.memory-map` for a range whose size needs more than 64 bits
 */
export function multibootMemory(ranges: readonly MemoryRange[]): MultibootMemory {
  const ram = ranges.filter(({ type }) => type === "ram");
  const low = ram.find(({ start }) => start <= LOWER_START_MAX);
  const high = ram.find(({ start, end }) => start <= MIB && end > MIB);
  const kib = (bytes: bigint) => Number(bytes / KIB > UINT32_MAX ? UINT32_MAX : bytes / KIB);
  return {
    entries: ranges.filter((r) => !isEmpty(r)).map(entryOf),
    lower: low === undefined ? 0 : kib(low.end < MIB ? low.end : MIB),
    upper: high === undefined ? 0 : kib(high.end - MIB),
  };
}

/** The fields from `framebuffer_addr` on. In version 2 two reserved bytes follow, then the
 * colors. */
export const MultibootFramebuffer = defineStruct("multiboot framebuffer", 22, {
  framebuffer_addr: u64(0),
  framebuffer_pitch: u32(8),
  framebuffer_width: u32(12),
  framebuffer_height: u32(16),
  framebuffer_bpp: u8(20),
  framebuffer_type: u8(21),
});

/** What `framebuffer_bpp` holds. */
const DEPTH_MAX = 0xff;
const FRAMEBUFFER_TYPE_RGB = 1;
const FRAMEBUFFER_TYPE_EGA_TEXT = 2;

export interface MultibootScreen {
  readonly screen: StructValue<typeof MultibootFramebuffer.fields>;
  /** Positions and sizes of red, green and blue. */
  readonly colors: Uint8Array;
}

/** The screen for the image, and the reason, as one sentence for the plan. */
export interface MultibootScreenHandoff {
  /** null: no screen is passed on. */
  readonly screen: MultibootScreen | null;
  readonly note: string;
}

const TEXT: MultibootScreen = {
  screen: {
    framebuffer_addr: 0xb8000n,
    framebuffer_pitch: 160,
    framebuffer_width: 80,
    framebuffer_height: 25,
    framebuffer_bpp: 16,
    framebuffer_type: FRAMEBUFFER_TYPE_EGA_TEXT,
  },
  colors: new Uint8Array(6),
};

/** The screen for a multiboot image: `next` if it is a frame buffer without a palette.
 * `--reset-vga` and `--console-vga` pass on VGA text instead, which the purgatory sets or uses.
 * [kexec-tools] */
export function multibootScreen(
  next: NextScreen,
  { resetVga, vga }: ConsoleRequest,
): MultibootScreenHandoff {
  if (resetVga || vga) {
    const option = resetVga ? "--reset-vga" : "--console-vga";
    return { screen: TEXT, note: `Screen: VGA text of 80x25, because ${option} asks for it.` };
  }
  const { screen, note, kind } = next;
  const colors = Uint8Array.of(
    ...[screen.red_pos, screen.red_size],
    ...[screen.green_pos, screen.green_size],
    ...[screen.blue_pos, screen.blue_size],
  );
  if (kind === "none") return { screen: null, note };
  if (kind !== "framebuffer") {
    return { screen: null, note: "Screen: not passed on, because it is not a frame buffer." };
  }
  if (screen.lfb_depth > DEPTH_MAX) {
    return {
      screen: null,
      note: `Screen: not passed on, because it has ${screen.lfb_depth} bits.`,
    };
  }
  if (colors[1] === 0 || colors[3] === 0 || colors[5] === 0) {
    return { screen: null, note: "Screen: not passed on, because its mode has a colour palette." };
  }
  return {
    screen: {
      screen: {
        framebuffer_addr: framebufferAddress(screen),
        framebuffer_pitch: screen.lfb_linelength,
        framebuffer_width: screen.lfb_width,
        framebuffer_height: screen.lfb_height,
        framebuffer_bpp: screen.lfb_depth,
        framebuffer_type: FRAMEBUFFER_TYPE_RGB,
      },
      colors,
    },
    note,
  };
}

export const textWithNul = (text: string): Uint8Array => bytesOf(`${text}\0`);
export const LOADER_NAME = `${BOOT_LOADER.name} ${BOOT_LOADER.version}`;

/** Contents of the multiboot information; `commandLine` begins with the image's own name. */
export interface MultibootContent {
  readonly commandLine: string;
  readonly modules: readonly MultibootModule[];
  readonly memory: MultibootMemory;
  readonly screen: MultibootScreen | null;
}
