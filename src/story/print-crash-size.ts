/** `--print-ckr-size`: prints the size of the crash region in bytes. */

import { ExitStatus } from "../core/error.ts";
import { IOMEM } from "../facts/iomem.ts";
import { noteSentence } from "../model/fact-note.ts";
import type { PrintCrashSizeRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { findCrashRegion } from "../plan/crash/crash-region.ts";

/** Prints the size in bytes of the crash region that `-p` would use, 0 where there is none. Returns
 * 0. */
export async function printCrashSize(
  _request: PrintCrashSizeRequest,
  world: World,
): Promise<number> {
  const facts = await world.readFacts();
  const region = findCrashRegion(facts);
  const unread = facts.notes.find(({ source }) => source === IOMEM);
  if (region === null && unread !== undefined) world.stderr(`${noteSentence(unread)}\n`);
  world.stdout(`${region?.usedSize ?? 0n}\n`);
  return ExitStatus.ok;
}
