/** Reads kexec's state from five small files, for actions that need no other fact. */

import { fail } from "../../core/error.ts";
import { KEXEC_STATE_FILES, parseKexecFlag, parseKexecSize } from "../../facts/kexec-state.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type { KexecState } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles, pseudoFiles } from "../files/read-pseudo-files.ts";

/** kexec's state. A fact whose file is missing or damaged is null, and `notes` gets the reason. */
export function readKexecStateOf(files: PseudoFiles, notes: FactNote[]): KexecState {
  const fact = <T>(
    places: readonly [string, ...string[]],
    parse: (text: string, file: string) => T,
  ): T | null =>
    attempt(notes, () => {
      for (const place of places) {
        const text = files.optionalText(place);
        if (text !== null) return parse(text, place);
      }
      return fail({
        code: "facts.unreadable",
        message: `${places[0]}: No such file or directory`,
      });
    });
  return {
    loaded: fact(KEXEC_STATE_FILES.loaded, parseKexecFlag),
    crashLoaded: fact(KEXEC_STATE_FILES.crashLoaded, parseKexecFlag),
    crashSize: fact(KEXEC_STATE_FILES.crashSize, parseKexecSize),
    loadDisabled: fact(KEXEC_STATE_FILES.loadDisabled, parseKexecFlag),
    crashElfcorehdrSize: fact(KEXEC_STATE_FILES.crashElfcorehdrSize, parseKexecSize),
  };
}

/**
 * kexec's state on this machine, for `-S`, `-e` and `--print-ckr-size`. Does not throw for files
 * that are missing or damaged.
 *
 * @param root the directory that stands for `/`
 */
export function readKexecState(root = "/"): KexecState {
  return readKexecStateOf(pseudoFiles(root), []);
}
