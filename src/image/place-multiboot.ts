/** What both versions of multiboot put into memory beside the image. */

import { alignUp, GIB } from "../core/address.ts";
import {
  type MultibootContent,
  type MultibootModule,
  multibootMemory,
  multibootScreen,
} from "../handoff/multiboot-content.ts";
import { nextScreen } from "../handoff/next-screen.ts";
import type { PlanContext } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";

/** Every address that an image is told has 32 bits. */
export const MULTIBOOT_END = 4n * GIB;
/** What firmware left in the first pages stays. */
const LOWEST = 0x3000n;

export interface PlacedModules {
  readonly segments: readonly Segment[];
  readonly modules: readonly MultibootModule[];
}

/** Modules begin at a page, as images may demand. A module without bytes has no segment. */
export function placeModules(context: PlanContext): PlacedModules {
  const page = BigInt(context.facts.pageSize);
  const segments: Segment[] = [];
  const modules = context.inputs.modules.map(({ bytes, commandLine }): MultibootModule => {
    if (bytes.length === 0) return { start: 0n, end: 0n, commandLine };
    const size = alignUp(BigInt(bytes.length), page);
    const start = context.place({
      role: "module",
      size,
      alignment: page,
      min: LOWEST,
      max: MULTIBOOT_END,
      from: "top",
    });
    const reason = "the highest place below 4 GiB that is free";
    segments.push({ role: "module", start, size, bytes, sha256: null, reason });
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
  const next = nextScreen({ ...facts, reuseVideoType, resetVga: console.resetVga });
  const { screen, note } = multibootScreen(next, console);
  const content: MultibootContent = {
    commandLine: commandLine === null ? inputs.kernel.path : `${inputs.kernel.path} ${commandLine}`,
    modules,
    memory: multibootMemory(memory),
    screen,
  };
  return { content, notes: [note] };
}

/** Memory for `size` bytes of what the image is told, and its segment with the bytes for there. */
export function placeInfo(
  context: PlanContext,
  length: number,
  make: (address: bigint) => Uint8Array,
): Segment {
  const size = alignUp(BigInt(length), BigInt(context.facts.pageSize));
  const start = context.place({
    role: "multiboot-info",
    size,
    alignment: 8n,
    min: LOWEST,
    max: MULTIBOOT_END,
    from: "top",
  });
  const reason = "the highest pages below 4 GiB that the larger pieces left";
  return { role: "multiboot-info", start, size, bytes: make(start), sha256: null, reason };
}

/** Long names of the options that both versions take. */
export const MULTIBOOT_OPTIONS = ["command-line", "append", "reuse-cmdline", "module"] as const;
