/** The real `Console`: what this process was called with, and where its words go. */

import { printableMessage } from "../core/printable.ts";
import type { Console } from "../model/world.ts";
import { readArguments, readVariable } from "./process/arguments.ts";
import { isTerminal, lostOutput, stderr, stdout } from "./process/output.ts";

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

/** For what goes wrong before there is a console. */
export { stderr } from "./process/output.ts";
