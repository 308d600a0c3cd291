/**
 * The program as a citty command: its name, its arguments from the option table, and the dispatch.
 *
 * citty does not read the command line: its parser takes `--no-checks` for `checks=false`, passes
 * unknown options and knows no abbreviations, so it gets none of argv and the finished request as
 * data.
 */

import { type ArgDef, type ArgsDef, type CommandDef, defineCommand, runCommand } from "citty";
import type { Request } from "../model/request.ts";
import { OPTIONS, type Option } from "./options.ts";
import { VERSION } from "./version.ts";

/** Does what was asked and returns the exit status, 0–255. */
export type RequestHandler = (request: Request) => number | Promise<number>;

/** What the command gets instead of argv. */
interface Dispatch {
  readonly request: Request;
  readonly handle: RequestHandler;
}

function argumentOf(option: Option): ArgDef {
  const description = option.help;
  const alias = option.short === null ? {} : { alias: option.short };
  if (option.argument === "none") return { type: "boolean", description, ...alias };
  return { type: "string", description, valueHint: option.argumentName, ...alias };
}

function argumentsOfProgram(): ArgsDef {
  const kernel: ArgDef = {
    type: "positional",
    description: "The kernel to load",
    required: false,
  };
  return {
    ...Object.fromEntries(OPTIONS.map((option) => [option.name, argumentOf(option)])),
    kernel,
  };
}

/** The program, for citty: `renderUsage` shows it, `runKexecCommand` runs it. */
export const kexecCommand: CommandDef = defineCommand({
  meta: {
    name: "kexec",
    version: VERSION,
    description: "Start another kernel from the running one",
  },
  args: argumentsOfProgram,
  run: ({ data }) => {
    const { request, handle }: Dispatch = data;
    return handle(request);
  },
});

/**
 * Dispatches a request to `handle` and returns its exit status, 0–255.
 * @throws what `handle` throws
 */
export async function runKexecCommand(request: Request, handle: RequestHandler): Promise<number> {
  const data: Dispatch = { request, handle };
  // Without the arguments: there is no argv for citty to look for them in, and preparing to do so
  // takes longer than all else that happens before the first deed.
  const { result } = await runCommand({ ...kexecCommand, args: {} }, { rawArgs: [], data });
  if (typeof result !== "number") throw new TypeError(`not an exit status: ${String(result)}`);
  return result;
}
