/** Reads the facts about kexec handover (KHO). */

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

/** False where `path` is not there, and where a user other than root may not look for it. */
const canSee = (files: PseudoFiles, path: string): boolean =>
  attempt([], () => files.target(path)) !== null;

/** KHO's folder, wherever debugfs is mounted; null where there is none, or it cannot be seen. */
function outDirectory(files: PseudoFiles): string | null {
  const isThere = (directory: string) => canSee(files, directory);
  const usual = `${DEBUGFS}/${KHO_OUT}`;
  if (isThere(usual)) return usual;
  const mounts = attempt([], () => files.text(MOUNTS)) ?? "";
  const others = mountPoints(mounts, "debugfs").map((directory) => `${directory}/${KHO_OUT}`);
  return others.find(isThere) ?? null;
}

/** The kept memory in the subsystems' device trees; a tree that cannot be read becomes a note. */
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
 * The facts about KHO; null where it is off. The kernel has the folder only while KHO is on. Where
 * debugfs cannot be seen, the command line decides; without `kho=`, the live update device does,
 * since a kernel may be built with KHO on.
 */
export function readKho(input: FactsInput): KhoFacts | null {
  const { files, notes, bootCommandLine } = input;
  const directory = outDirectory(files);
  if (directory === null) {
    const asked = khoByCommandLine(bootCommandLine ?? "");
    const isOn = asked ?? canSee(files, LIVE_UPDATE);
    return isOn ? { scratch: null, kept: [] } : null;
  }
  const text = (name: string) => files.text(`${directory}/${name}`);
  const read = () => parseScratch(text("scratch_phys"), text("scratch_len"), directory);
  return { scratch: attempt(notes, read, "memory map"), kept: keptByTrees(input, directory) };
}
