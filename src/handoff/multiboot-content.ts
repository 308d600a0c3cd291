/** What both versions of multiboot tell: memory, the framebuffer, and texts. [multiboot] */

import { KIB, MIB } from "../core/address.ts";
import { bytesOf } from "../core/bytes.ts";
import { isEmpty, rangeSize } from "../core/range.ts";
import { defineStruct, type StructValue, u8, u32, u64 } from "../core/struct.ts";
import type { FramebufferFacts } from "../model/host-facts.ts";
import type { MemoryRange, MemoryType } from "../model/memory.ts";
import type { ConsoleRequest } from "../model/request.ts";
import { BOOT_LOADER } from "./boot-loader.ts";

/** `type` of an entry of the memory map: available, ACPI, NVS; all else must not be used. */
const TYPES: Readonly<Record<MemoryType, number>> = {
  ram: 1,
  reserved: 2,
  acpi: 3,
  "acpi-nvs": 4,
  uncached: 2,
  pmem: 2,
  pram: 2,
};

/** Lower memory begins below this: Linux hides the first pages. */
const LOWER_START_MAX = 64n * KIB;
const UINT32_MAX = 0xffffffffn;

/** What every module and the kernel find of a loaded module; in addresses, `end` exclusive. */
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
  /** KiB from 0, and KiB from 1 MiB on, without a gap. */
  readonly lower: number;
  readonly upper: number;
}

/** The memory map as both versions have it. */
export function multibootMemory(ranges: readonly MemoryRange[]): MultibootMemory {
  const ram = ranges.filter(({ type }) => type === "ram");
  const low = ram.find(({ start }) => start <= LOWER_START_MAX);
  const high = ram.find(({ start, end }) => start <= MIB && end > MIB);
  const kib = (bytes: bigint) => Number(bytes / KIB > UINT32_MAX ? UINT32_MAX : bytes / KIB);
  return {
    entries: ranges
      .filter((r) => !isEmpty(r))
      .map((r) => ({ addr: r.start, len: rangeSize(r), type: TYPES[r.type] })),
    lower: low === undefined ? 0 : kib(low.end < MIB ? low.end : MIB),
    upper: high === undefined ? 0 : kib(high.end - MIB),
  };
}

/** From `framebuffer_addr` on, the same in both versions but for two bytes before the colors. */
export const MultibootFramebuffer = defineStruct("multiboot framebuffer", 22, {
  framebuffer_addr: u64(0),
  framebuffer_pitch: u32(8),
  framebuffer_width: u32(12),
  framebuffer_height: u32(16),
  framebuffer_bpp: u8(20),
  framebuffer_type: u8(21),
});

const FRAMEBUFFER_TYPE_RGB = 1;
const FRAMEBUFFER_TYPE_EGA_TEXT = 2;

export interface MultibootScreen {
  readonly screen: StructValue<typeof MultibootFramebuffer.fields>;
  /** Positions and sizes of red, green and blue. */
  readonly colors: Uint8Array;
}

/** The screen that the next kernel finds; null where it cannot be said. The purgatory may have set
 * it back to text. */
export function multibootScreen(
  framebuffer: FramebufferFacts | null,
  console: ConsoleRequest,
): MultibootScreen | null {
  if (console.resetVga || console.vga) {
    return {
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
  }
  if (framebuffer === null || framebuffer.smemStart === 0n || framebuffer.smemLen === 0)
    return null;
  const { red, green, blue } = framebuffer;
  if (red.length === 0 || green.length === 0 || blue.length === 0) return null;
  return {
    screen: {
      framebuffer_addr: framebuffer.smemStart,
      framebuffer_pitch: framebuffer.lineLength,
      framebuffer_width: framebuffer.xres,
      framebuffer_height: framebuffer.yres,
      framebuffer_bpp: framebuffer.bitsPerPixel,
      framebuffer_type: FRAMEBUFFER_TYPE_RGB,
    },
    colors: Uint8Array.from([red, green, blue].flatMap(({ offset, length }) => [offset, length])),
  };
}

export const textWithNul = (text: string): Uint8Array => bytesOf(`${text}\0`);
export const LOADER_NAME = `${BOOT_LOADER.name} ${BOOT_LOADER.version}`;

/** What an image is told; `commandLine` includes the image's own name. */
export interface MultibootContent {
  readonly commandLine: string;
  readonly modules: readonly MultibootModule[];
  readonly memory: MultibootMemory;
  readonly screen: MultibootScreen | null;
}
