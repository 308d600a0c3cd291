/** Damages what parsers read: whatever they are given, they return or throw a KexecError. */

import { expect } from "bun:test";
import fc from "fast-check";
import { textOf } from "../../src/core/bytes.ts";
import { KexecError } from "../../src/core/error.ts";
import { orRefusal } from "../kexec-error.ts";

/** Runs `parse`; any other error than a KexecError of facts or structures is rethrown. */
export function survives(parse: () => unknown): void {
  const outcome = orRefusal(parse);
  if (outcome instanceof KexecError) expect(outcome.code).toMatch(/^(facts|struct)\./);
}

/** `sample` cut at every offset, then with bytes replaced, added and doubled at random. */
export function survivesDamage(sample: Uint8Array, parse: (bytes: Uint8Array) => unknown): void {
  for (let end = 0; end <= sample.length; end += 1) survives(() => parse(sample.slice(0, end)));
  const edits = fc.array(
    fc.tuple(fc.nat(sample.length), fc.nat(3), fc.uint8Array({ maxLength: 4 })),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(edits, (list) => {
      let bytes = [...sample];
      for (const [at, removed, added] of list) {
        bytes = [...bytes.slice(0, at), ...added, ...bytes.slice(at + removed)];
      }
      survives(() => parse(new Uint8Array(bytes)));
    }),
  );
}

export function textSurvivesDamage(sample: string, parse: (text: string) => unknown): void {
  survivesDamage(new TextEncoder().encode(sample), (bytes) => parse(textOf(bytes)));
}
