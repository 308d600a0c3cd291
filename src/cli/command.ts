/**
 * The stories of the program, one for each action of a request, and how one of them is run: it is
 * imported when its action is requested.
 */

import type { Action, Requests, WorldRequest } from "../model/request.ts";
import type { Console, World } from "../model/world.ts";

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

/**
 * Imports the story of `action` and no other, runs it, and returns its exit status, 0–255. A run
 * of kexec-tools' own actions is the command itself, all else a sub-command of citty's: loading
 * citty, which takes node:util along, would be a tenth of what `-S` and `-u` take.
 * @throws what the story throws
 */
export async function runStory<A extends Action>(
  action: A,
  request: Requests[A],
  stories: Stories,
  stage: Stage,
): Promise<number> {
  if (action === "run") return (await stories[action]())(request, stage);
  const { runSubCommand } = await import("./citty-command.ts");
  return runSubCommand(action, request, stories, stage);
}
