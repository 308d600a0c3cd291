/**
 * The program kexec: makes a request from the command line, and runs the story of the request's
 * action. Only that story is imported.
 */

import type { Stage, Stories } from "../cli/command.ts";
import { errorText, statusOfOutput } from "../cli/report.ts";
import { toRequest } from "../cli/to-request.ts";
import { KexecError } from "../core/error.ts";
import type { Request, Warned, WorldRequest } from "../model/request.ts";
import type { Console, World } from "../model/world.ts";

/** Wraps a story that needs the world: opens the world before it and closes the world after it. */
function inWorld<R>(
  story: (request: R, world: World) => number | Promise<number>,
): (request: R & Warned & { readonly world: WorldRequest }, stage: Stage) => Promise<number> {
  return async (request, { openWorld }) => {
    const world = await openWorld(request.world);
    try {
      for (const warning of request.warnings ?? []) world.stderr(`Warning: ${warning}\n`);
      return await story(request, world);
    } finally {
      world.close();
    }
  };
}

const text = async () => {
  const { printText } = await import("./text.ts");
  return printText;
};

const STORIES: Stories = {
  run: async () => inWorld((await import("./run.ts")).run),
  "dry-run": async () => inWorld((await import("./dry-run.ts")).dryRun),
  doctor: async () => inWorld((await import("./doctor.ts")).doctor),
  "save-facts": async () => inWorld((await import("./save-facts.ts")).saveFacts),
  "print-crash-size": async () => inWorld((await import("./print-crash-size.ts")).printCrashSize),
  help: text,
  version: text,
  usage: text,
};

/**
 * Runs the story of a request and returns the exit status. kexec-tools' own actions are the command
 * itself, all else is a sub-command of citty's: loading citty, which takes node:util along, would
 * be a tenth of what `-S` and `-u` take.
 */
async function runRequest(request: Request, stage: Stage): Promise<number> {
  if (request.action === "run") return (await STORIES.run())(request, stage);
  const { runStory } = await import("../cli/command.ts");
  return runStory(request.action, request, STORIES, stage);
}

/**
 * Does what the command line asks and returns the exit status, 0–255. Prints a failure here, once.
 * @param openWorld opens the rest of the world; `-h`, `-v` and usage do not call it
 * @throws only bugs
 */
export async function runKexec(console: Console, openWorld: Stage["openWorld"]): Promise<number> {
  try {
    const request = toRequest(console);
    const status = await runRequest(request, { console, openWorld });
    return statusOfOutput(status, console);
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    console.stderr(errorText(error));
    return error.exitStatus;
  }
}
