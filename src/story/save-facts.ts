/** `--save-facts`: writes what is known of this machine to a file. */

import { ExitStatus } from "../core/error.ts";
import { factsToJson } from "../facts/facts-file.ts";
import type { World } from "../model/world.ts";

/** Returns 0. @throws KexecError where the machine cannot be read, or the file not be written */
export function saveFacts({ path }: { readonly path: string }, world: World): number {
  world.writeText(path, factsToJson(world.readFacts()));
  return ExitStatus.ok;
}
