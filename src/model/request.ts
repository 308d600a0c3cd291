/**
 * `Request`: what the user asked for, typed and complete. `cli/to-request.ts` makes it from the
 * command line. Types only: request-schema.ts has the values.
 */

import type { RunRequest } from "./request-schema.ts";

export type {
  ConsoleRequest,
  LoaderRequest,
  LoadMethod,
  RunRequest,
  Steps,
  XenRequest,
} from "./request-schema.ts";

/** Requests that end in a text: `-h`, `-v`, and usage after a bad command line. */
export interface TextRequest {
  readonly action: "help" | "version" | "usage";
  /** Lines for stderr before the usage, without a last newline; may be empty. */
  readonly complaint: string;
  readonly exitStatus: number;
}

export type Request = RunRequest | TextRequest;
