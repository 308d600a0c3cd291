/** Reads what the running kernel keeps for the next one (KHO). */

import type { Range } from "../../core/range.ts";
import { normalize } from "../../core/range.ts";
import {
  DEBUGFS,
  KHO_OUT,
  keptByTree,
  khoByCommandLine,
  LIVE_UPDATE,
  parseScratch,
} from "../../facts/kho.ts";
import { MOUNTS, mountPoints } from "../../facts/mounts.ts";
import type { KhoFacts } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";
import type { FactsInput } from "./architecture-reader.ts";

/** KHO's folder, wherever debugfs is mounted; null where there is none, or none may be seen. */
function outDirectory(files: PseudoFiles): string | null {
  const isThere = (directory: string) => files.target(directory) !== null;
  const usual = `${DEBUGFS}/${KHO_OUT}`;
  if (isThere(usual)) return usual;
  const mounts = attempt([], () => files.text(MOUNTS)) ?? "";
  const others = mountPoints(mounts, "debugfs").map((directory) => `${directory}/${KHO_OUT}`);
  return others.find(isThere) ?? null;
}

/** What the trees of those who keep something name; a tree that cannot be read is a note. */
function keptByTrees({ files, notes }: FactsInput, directory: string): Range[] {
  const trees = `${directory}/sub_fdts`;
  const names = attempt([], () => files.names(trees)) ?? [];
  return normalize(
    names.flatMap((name) => {
      const path = `${trees}/${name}`;
      return attempt(notes, () => keptByTree(files.bytes(path), path), "memory map") ?? [];
    }),
  );
}

/**
 * KHO's areas; null where it is off. The kernel makes the folder only while it is on; where that
 * cannot be seen, the command line decides, and its device, as a kernel may be built with KHO on.
 */
export function readKho(input: FactsInput): KhoFacts | null {
  const { files, notes, bootCommandLine } = input;
  const directory = outDirectory(files);
  if (directory === null) {
    const asked = khoByCommandLine(bootCommandLine ?? "");
    const isOn = asked ?? files.target(LIVE_UPDATE) !== null;
    return isOn ? { scratch: null, kept: [] } : null;
  }
  const text = (name: string) => files.text(`${directory}/${name}`);
  const read = () => parseScratch(text("scratch_phys"), text("scratch_len"), directory);
  return { scratch: attempt(notes, read, "memory map"), kept: keptByTrees(input, directory) };
}
