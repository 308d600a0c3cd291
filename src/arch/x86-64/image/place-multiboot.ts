/** The modules and the information that images of both multiboot versions get. */

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

/** Multiboot passes 32-bit addresses. */
export const MULTIBOOT_END = PROTECTED_MODE_END;
const LIMITS = {
  ...{ min: LOWEST_ADDRESS, minFrom: LOWEST_ADDRESS_FROM },
  ...{ max: MULTIBOOT_END, maxFrom: reachName(MULTIBOOT_END) },
} as const;
const CODE_ALIGNMENT = 16n;
/** Xen moves the dom0 kernel, the first module, in units of this size towards the end of the memory
 * that it lies in. It copies backwards, so that a short move down would overwrite the kernel.
 * Therefore the first module gets whole units of its own, and a page of the last one stays free.
 * [xen xen/arch/x86/setup.c move_memory, __start_xen] */
const XEN_UNIT = 2n * MIB;

export interface PlacedModules {
  readonly segments: readonly Segment[];
  readonly modules: readonly MultibootModule[];
}

/** Takes the highest free memory for a module; for the first, in Xen's units if there is room. */
function placeModule(context: PlanContext, bytes: Uint8Array, isFirst: boolean): Segment {
  const page = BigInt(context.facts.pageSize);
  const taken = alignUp(BigInt(bytes.length), page);
  const common = { role: "module", bytes, ...LIMITS } as const;
  if (isFirst) {
    const segment = context.tryPut({
      ...common,
      size: alignUp(taken + page, XEN_UNIT),
      alignment: XEN_UNIT,
      reason: `the highest free multiple of ${hex(XEN_UNIT)}, so that Xen can move it`,
    });
    // The rest of the units stays free and need not be cleared.
    if (!(segment instanceof NoRoom)) return { ...segment, size: taken };
  }
  return context.put({ ...common, reason: "the highest free place below 4 GiB" });
}

/** Modules are page-aligned, as images may require. A module without bytes has no segment. */
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

/** The contents of the multiboot information, and a note on them. The command line begins with the
 * image's name: images, Xen among them, skip the first word. */
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

/** The multiboot information, and the part of it that is known only when the image is entered. */
export interface MultibootTold {
  /** In bytes. */
  readonly length: number;
  make(address: bigint): Uint8Array;
  /** The offset of the copy of ACPI's root pointer, in bytes; null: there is none. */
  readonly acpi: AcpiRoom | null;
  readonly bios: Segment | null;
  /** Of the image. */
  readonly entry: bigint;
}

/** The copy to make for information that lies at `address`. */
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

/** Takes memory for the multiboot information, followed by the code that copies ACPI's root pointer
 * where that is necessary: the purgatory then enters this code, which enters the image. */
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
    reason: "the highest free pages below 4 GiB left by the larger segments",
  });
  return { segment, entry: hasCode ? segment.start + codeAt : told.entry };
}

/** Long names of the options that both versions accept. */
export const MULTIBOOT_OPTIONS = ["command-line", "append", "reuse-cmdline", "module"] as const;
