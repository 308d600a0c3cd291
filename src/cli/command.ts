/**
 * The program as a citty command: its name, its options from the table, and a sub-command for each
 * action of a request. The story of an action is imported when that action is requested.
 *
 * citty does not parse the command line: its parser reads `--no-checks` as `checks=false`, accepts
 * unknown options and does not know abbreviations. `toRequest` (to-request.ts) parses argv; the
 * action of the finished request selects the sub-command, and citty gets an empty argument list.
 */

import { type ArgDef, type ArgsDef, type CommandDef, defineCommand, runCommand } from "citty";
import type { Option } from "../model/option.ts";
import type { Action, Requests, WorldRequest } from "../model/request.ts";
import type { Console, World } from "../model/world.ts";
import { OPTIONS } from "./options.ts";
import { KEXEC_DESCRIPTION } from "./program-name.ts";
import { VERSION } from "./version.ts";

/** The part of the world that a story gets. The stories of `-h`, `-v` and usage need the console
 * only. */
export interface Stage {
  readonly console: Console;
  /** Opens the rest of the world. The caller closes it. */
  openWorld(request: WorldRequest): Promise<World>;
}

/**
 * Does what a request asks and returns the exit status, 0–255.
 * @throws KexecError where the request cannot be carried out
 */
export type Story<A extends Action> = (
  request: Requests[A],
  stage: Stage,
) => number | Promise<number>;

/** For each action, the function that imports its story. */
export type Stories = { readonly [A in Action]: () => Promise<Story<A>> };

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

/** The description of each action's sub-command. */
const ACTIONS: { readonly [A in Action]: string } = {
  run: "Load, unload or start a kernel",
  "dry-run": "Print what would be loaded where",
  doctor: "Say what works on this machine and what does not",
  "save-facts": "Write a description of this machine to a file",
  "print-crash-size": "Print the size of the crash region in bytes",
  help: "Print the options",
  version: "Print the version",
  usage: "Print what is wrong with the command line, and the options",
};

/** The `data` that citty passes to the sub-command that it runs. */
interface Call<A extends Action> {
  readonly request: Requests[A];
  readonly stage: Stage;
}

/** The sub-command of an action. It is hidden because the command line has no sub-commands: options
 * choose the action. */
async function subCommand<A extends Action>(action: A, stories: Stories): Promise<CommandDef> {
  const story = await stories[action]();
  return defineCommand({
    meta: { name: action, description: ACTIONS[action], hidden: true },
    run: ({ data }) => {
      const { request, stage }: Call<A> = data;
      return story(request, stage);
    },
  });
}

/** The program, as citty's help shows it. */
export const kexecCommand: CommandDef = defineCommand({
  meta: { name: "kexec", version: VERSION, description: KEXEC_DESCRIPTION },
  args: argumentsOfProgram,
});

/**
 * Imports the story of `action` and no other, runs it, and returns its exit status, 0–255.
 * @throws what the story throws
 */
export async function runStory<A extends Action>(
  action: A,
  request: Requests[A],
  stories: Stories,
  stage: Stage,
): Promise<number> {
  const data: Call<A> = { request, stage };
  const { result } = await runCommand(await subCommand(action, stories), { rawArgs: [], data });
  if (typeof result !== "number") throw new TypeError(`not an exit status: ${String(result)}`);
  return result;
}
