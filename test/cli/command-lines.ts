/** What a command line becomes: a request, a text, or a refusal. */

import { toRequest } from "../../src/cli/to-request.ts";
import { KexecError } from "../../src/core/error.ts";
import type { Request, RunRequest } from "../../src/model/request.ts";
import { orRefusal } from "../kexec-error.ts";

export const read = (argv: readonly string[], env: Record<string, string> = {}): Request =>
  toRequest({ argv0: "kexec", argv, env: (name) => env[name] });

export function run(argv: readonly string[], env?: Record<string, string>): RunRequest {
  const request = read(argv, env);
  if (request.action !== "run") throw new Error(`${argv.join(" ")}: ${JSON.stringify(request)}`);
  return request;
}

/** Action, exit status and complaint of a request that ends in a text. */
export function text(argv: readonly string[]): string {
  const request = read(argv);
  if (request.action === "run") return "run";
  return `${request.action} ${request.exitStatus} ${request.complaint}`.trimEnd();
}

export function refusal(argv: readonly string[]): KexecError {
  const error = orRefusal(() => read(argv));
  if (error instanceof KexecError) return error;
  throw new Error(`${argv.join(" ")} was not refused`);
}
