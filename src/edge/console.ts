/** The real `Console`: what this process was called with, and where its words go. */

import type { Console } from "../model/world.ts";
import { readArguments, readVariable } from "./process/arguments.ts";
import { stderr, stdout } from "./process/output.ts";

export function realConsole(): Console {
  return { ...readArguments(), env: readVariable, stdout, stderr };
}

/** For what goes wrong before there is a console. */
export { stderr } from "./process/output.ts";
