/** What both versions of multiboot put into memory beside the image. */

import { alignUp, hex, MIB } from "../../../core/address.ts";
import { joined } from "../../../core/bytes.ts";
import { NoRoom } from "../../../core/no-room.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import { NO_X86_FACTS } from "../../../model/x86-64.ts";
import { ROOT_POINTER_AT } from "../handoff/bios-page.ts";
import {
  type MultibootContent,
  type MultibootModule,
  multibootMemory,
  multibootScreen,
} from "../handoff/multiboot-content.ts";
import { type AcpiRoom, END_TAG } from "../handoff/multiboot2-info.ts";
import { nextScreen } from "../handoff/next-screen.ts";
import {
  OLD_ROOT_POINTER_SIZE,
  ROOT_POINTER_SIZE,
  rootPointerCopy,
} from "../handoff/root-pointer-copy.ts";
import { LOWEST_ADDRESS, LOWEST_ADDRESS_FROM, PROTECTED_MODE_END, reachName } from "../layout.ts";
import { lowRootPointer } from "./place-bios.ts";

/** Every address that an image learns has 32 bits. */
export const MULTIBOOT_END = PROTECTED_MODE_END;
const LIMITS = {
  ...{ min: LOWEST_ADDRESS, minFrom: LOWEST_ADDRESS_FROM },
  ...{ max: MULTIBOOT_END, maxFrom: reachName(MULTIBOOT_END) },
} as const;
const CODE_ALIGNMENT = 16n;
/** Xen moves its dom0's kernel to the end of the memory that it lies in, as far as that is whole
 * such units, or to whatever lies next above. It copies from the end: a short move down would spoil
 * the kernel. So the first module has units of its own, and a page of the last stays free.
 * [xen xen/arch/x86/setup.c move_memory, __start_xen] */
const XEN_UNIT = 2n * MIB;

export interface PlacedModules {
  readonly segments: readonly Segment[];
  readonly modules: readonly MultibootModule[];
}

/** The highest place for a module, for the first in units of Xen's if there is room. */
function placeModule(context: PlanContext, bytes: Uint8Array, isFirst: boolean): Segment {
  const page = BigInt(context.facts.pageSize);
  const taken = alignUp(BigInt(bytes.length), page);
  const common = { role: "module", bytes, ...LIMITS } as const;
  if (isFirst) {
    const segment = context.tryPut({
      ...common,
      size: alignUp(taken + page, XEN_UNIT),
      alignment: XEN_UNIT,
      reason: `the highest free multiple of ${hex(XEN_UNIT)}, where Xen can move it`,
    });
    // The rest of the units is kept free, and need not be cleared.
    if (!(segment instanceof NoRoom)) return { ...segment, size: taken };
  }
  return context.put({ ...common, reason: "the highest place below 4 GiB that is free" });
}

/** Modules begin at a page, as images may demand. A module without bytes has no segment. */
export function placeModules(context: PlanContext): PlacedModules {
  const segments: Segment[] = [];
  const modules = context.inputs.modules.map(({ bytes, commandLine }, i): MultibootModule => {
    if (bytes.length === 0) return { start: 0n, end: 0n, commandLine };
    const segment = placeModule(context, bytes, i === 0);
    segments.push(segment);
    const { start } = segment;
    return { start, end: start + BigInt(bytes.length), commandLine };
  });
  return { segments, modules };
}

/** What the image is told, and a note on it. Its name comes first on the command line: images and
 * Xen take the first word for it. */
export function multibootContent(
  { request, facts, inputs, memory, commandLine }: PlanContext,
  modules: readonly MultibootModule[],
): { readonly content: MultibootContent; readonly notes: readonly string[] } {
  const { console, reuseVideoType } = request;
  const own = facts.x86_64 ?? NO_X86_FACTS;
  const next = nextScreen({ ...facts, ...own, reuseVideoType, resetVga: console.resetVga });
  const { screen, note } = multibootScreen(next, console);
  const content: MultibootContent = {
    commandLine: [inputs.kernel.path, ...(commandLine === null ? [] : [commandLine.text])].join(
      " ",
    ),
    modules,
    memory: multibootMemory(memory),
    screen,
  };
  return { content, notes: [note] };
}

/** What an image is told, and what of it is known only as it is entered. */
export interface MultibootTold {
  /** In bytes. */
  readonly length: number;
  make(address: bigint): Uint8Array;
  /** Where in it ACPI's root pointer goes; null: nowhere. */
  readonly acpi: AcpiRoom | null;
  readonly bios: Segment | null;
  /** Of the image. */
  readonly entry: bigint;
}

/** What is copied for an image that is told at `address`. */
function copyFor({ acpi, bios, entry }: MultibootTold, from: bigint, address: bigint) {
  const at = (offset: number) => Number(address) + offset;
  return {
    from: Number(from),
    targets: [
      ...(acpi === null ? [] : [{ at: at(acpi.old), size: OLD_ROOT_POINTER_SIZE }]),
      ...(acpi === null ? [] : [{ at: at(acpi.all), size: ROOT_POINTER_SIZE }]),
      ...(bios === null ? [] : [{ at: ROOT_POINTER_AT, size: ROOT_POINTER_SIZE }]),
    ],
    ifOld: acpi === null ? null : { at: at(acpi.allTag), words: END_TAG },
    entry: Number(entry),
  };
}

/** Memory for what the image is told, and code behind it where something is to be copied: that is
 * entered in place of the image. */
export function placeInfo(
  context: PlanContext,
  told: MultibootTold,
): { readonly segment: Segment; readonly entry: bigint } {
  const root = lowRootPointer(context.facts);
  const codeFor = (address: bigint): Uint8Array | null => {
    const copy = root === null ? null : copyFor(told, root, address);
    return copy === null || copy.targets.length === 0 ? null : rootPointerCopy(copy);
  };
  const codeAt = alignUp(BigInt(told.length), CODE_ALIGNMENT);
  const hasCode = codeFor(0n) !== null;
  const make = (start: bigint): Uint8Array => {
    const info = told.make(start);
    const code = codeFor(start);
    const gap = new Uint8Array(Number(codeAt) - info.length);
    return code === null ? info : joined([info, gap, code]);
  };
  const segment = context.put({
    ...{ role: "multiboot-info", size: codeAt + BigInt(codeFor(0n)?.length ?? 0), alignment: 8n },
    ...{ ...LIMITS, bytes: make },
    reason: "the highest pages below 4 GiB that the larger pieces left",
  });
  return { segment, entry: hasCode ? segment.start + codeAt : told.entry };
}

/** Long names of the options that both versions take. */
export const MULTIBOOT_OPTIONS = ["command-line", "append", "reuse-cmdline", "module"] as const;
