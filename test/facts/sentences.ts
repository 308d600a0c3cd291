/** The facts' notes as people read them. */

import { noteSentence } from "../../src/model/fact-note.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";

export const sentencesOf = ({ notes }: Pick<HostFacts, "notes">): string[] =>
  notes.map(noteSentence);
