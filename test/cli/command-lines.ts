/** What a command line becomes: a request, a text, or a refusal. */

import { toRequest } from "../../src/cli/to-request.ts";
import { KexecError } from "../../src/core/error.ts";
import type { Action, LoadRequest, Request, Requests, Step } from "../../src/model/request.ts";
import { orRefusal } from "../kexec-error.ts";

export const read = (argv: readonly string[], env: Record<string, string> = {}): Request =>
  toRequest({ argv0: "kexec", argv, env: (name) => env[name] });

const shown = (value: unknown) =>
  JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? `${part}` : part));

/** The request, which must be for `action`. */
export function request<A extends Action>(action: A, argv: readonly string[]): Requests[A] {
  const got = read(argv);
  const is = (one: Request): one is Requests[A] & Request => one.action === action;
  if (!is(got)) throw new Error(`${argv.join(" ")}: ${shown(got)}`);
  return got;
}

/** The steps of a run, in their order. */
export const steps = (argv: readonly string[]): readonly Step[] => request("run", argv).steps;

/** The names of the steps of a run. */
export const happening = (argv: readonly string[]): string =>
  steps(argv)
    .map(({ kind }) => kind)
    .join(" ");

/** What is loaded by a command line that loads. */
export function loaded(argv: readonly string[], env?: Record<string, string>): LoadRequest {
  const got = read(argv, env);
  if (got.action === "dry-run") return got.load;
  const load = got.action === "run" ? got.steps.find((step) => step.kind === "load") : undefined;
  if (load === undefined) throw new Error(`${argv.join(" ")}: ${shown(got)}`);
  return load.request;
}

/** Action, exit status and complaint of a request that ends in a text; else its action. */
export function text(argv: readonly string[]): string {
  const got = read(argv);
  if (!("exitStatus" in got)) return got.action;
  return `${got.action} ${got.exitStatus} ${got.complaint}`.trimEnd();
}

export function refusal(argv: readonly string[]): KexecError {
  const error = orRefusal(() => read(argv));
  if (error instanceof KexecError) return error;
  throw new Error(`${argv.join(" ")} was not refused`);
}
