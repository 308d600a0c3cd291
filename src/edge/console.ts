/** The real `Console`: this process's arguments, environment and standard output and error. */

import { printableMessage } from "../core/printable.ts";
import type { Console } from "../model/world.ts";
import { readArguments, readVariable } from "./process/arguments.ts";
import { isTerminal, lostOutput, stderr, stdout } from "./process/output.ts";

/** The `Console` of this process. @throws the system's error where /proc is not mounted */
export function realConsole(): Console {
  const { argv0, argv } = readArguments();
  const shown = (fd: number, text: string): string =>
    isTerminal(fd) ? printableMessage(text, argv) : text;
  return {
    ...{ argv0, argv, env: readVariable, lostOutput },
    stdout: (text) => stdout(shown(1, text)),
    stderr: (text) => stderr(shown(2, text)),
  };
}

/** For errors that occur before `realConsole` has returned. */
export { stderr } from "./process/output.ts";
