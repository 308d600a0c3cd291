/** What is fuzzed: a parser of the project with valid inputs to start from. */

import { mutateBytes, mutateText } from "./mutate.ts";
import type { Random } from "./random.ts";

export interface Target {
  /** `group/parser`; `--only=group` takes all of a group. */
  readonly name: string;
  /** Cases before the next target's turn: parsers of texts are short, and take few. */
  readonly turn: number;
  /** Makes the input of one case. The same random numbers make the same input. */
  input(random: Random): Uint8Array;
  /** Reads it. Whatever it throws but a KexecError is a fault of the project. */
  run(input: Uint8Array): unknown;
}

/** Seeds are made when they are first needed: some take a compressing program. */
export function bytesTarget(
  name: string,
  makeSeeds: () => readonly Uint8Array[],
  run: (bytes: Uint8Array) => unknown,
): Target {
  let seeds: readonly Uint8Array[] | null = null;
  return {
    name,
    turn: 50,
    input(random) {
      seeds ??= makeSeeds();
      return mutateBytes(random.pick(seeds), random);
    },
    run,
  };
}

/** The same for texts, which are byte strings. */
export function textTarget(
  name: string,
  seeds: readonly string[],
  run: (text: string) => unknown,
): Target {
  return {
    name,
    turn: 10,
    input: (random) =>
      new Uint8Array(Buffer.from(mutateText(random.pick(seeds), random), "latin1")),
    run: (bytes) => run(Buffer.from(bytes).toString("latin1")),
  };
}
