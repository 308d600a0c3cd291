/** The real `Console`: this process's arguments, environment and standard output and error. */

import type { Console } from "../model/world.ts";
import { readArguments, readVariable } from "./process/arguments.ts";
import { stderr, stdout } from "./process/output.ts";

/** The `Console` of this process. @throws the system's error where /proc is not mounted */
export function realConsole(): Console {
  return { ...readArguments(), env: readVariable, stdout, stderr };
}

/** For errors that occur before `realConsole` has returned. */
export { stderr } from "./process/output.ts";
