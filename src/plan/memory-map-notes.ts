/** Why the machine has no memory map. Pure. */

import { FIRMWARE_MEMMAP } from "../facts/firmware-memmap.ts";
import { IOMEM } from "../facts/iomem.ts";
import { isOf, noteSentence } from "../model/fact-note.ts";
import type { HostFacts } from "../model/host-facts.ts";

/** The facts' notes about the sources of the memory map, as sentences, in the order of reading. */
export function memoryMapNotes({ notes }: HostFacts): string[] {
  return notes.filter((note) => isOf(note, FIRMWARE_MEMMAP, IOMEM, "memory map")).map(noteSentence);
}
