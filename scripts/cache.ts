/** Where downloads and logs are kept between runs, outside the tree. */

import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Problem } from "./command.ts";

/** `~/.cache/onekexec`; with-bun.mjs keeps Bun in the same place. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(base, "onekexec");
}

/** A folder below the cache directory, made where it is missing. @throws Problem */
export function cacheFolder(name: string): string {
  const path = join(cacheDirectory(), name);
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new Problem({
      step: `Make the folder ${path}`,
      reason: String(error),
      advice: "set XDG_CACHE_HOME to a directory that you may write",
    });
  }
  return path;
}

/**
 * Fills `target` completely or not at all: `fill` works in a new folder beside it, which then takes
 * the place of what was there.
 */
export function fillFolder(target: string, fill: (folder: string) => void): void {
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(`${target}.new-`);
  try {
    fill(folder);
    rmSync(target, { recursive: true, force: true });
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
