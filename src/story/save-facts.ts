/** `--save-facts`: writes the facts of this machine to a file. */

import { ExitStatus } from "../core/error.ts";
import { factsToJson } from "../facts/facts-file.ts";
import type { World } from "../model/world.ts";

/** Returns 0. @throws KexecError where the facts cannot be read or the file cannot be written */
export async function saveFacts(
  { path }: { readonly path: string },
  world: World,
): Promise<number> {
  world.writeText(path, factsToJson(await world.readFacts()));
  return ExitStatus.ok;
}
