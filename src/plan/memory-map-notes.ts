/** Why nobody knows where memory is. Pure. */

import { FIRMWARE_MEMMAP } from "../facts/firmware-memmap.ts";
import { IOMEM } from "../facts/iomem.ts";
import { isOf, noteSentence } from "../model/fact-note.ts";
import type { HostFacts } from "../model/host-facts.ts";

/** The sentences of the facts' notes about the two sources of the memory map, in their order. */
export function memoryMapNotes({ notes }: HostFacts): string[] {
  return notes.filter((note) => isOf(note, FIRMWARE_MEMMAP, IOMEM, "memory map")).map(noteSentence);
}
