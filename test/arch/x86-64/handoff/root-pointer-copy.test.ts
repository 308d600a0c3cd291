import { expect, test } from "bun:test";
import { rootPointerCopy } from "../../../../src/arch/x86-64/handoff/root-pointer-copy.ts";
import { type Memory, runCopy } from "./run-copy.ts";

const FROM = 0xbfb7d014;
const OLD = 0x8004;
const NEW = 0x9008;
const ENTRY = 0xfedcba98;
const CODE = 0xa000;

/** What lies in memory after the code has run, before a root pointer of `revision`. */
function after(revision: number, ifOld: boolean): { memory: Memory; end: number } {
  const memory: Memory = new Map();
  for (let i = 0; i < 36; i += 1) memory.set(FROM + i, i === 15 ? revision : 0x80 + i);
  const code = rootPointerCopy({
    from: FROM,
    targets: [
      { at: OLD, size: 20 },
      { at: NEW, size: 36 },
    ],
    ifOld: ifOld ? { at: NEW - 8, words: [0, 8] } : null,
    entry: ENTRY,
  });
  code.forEach((byte, i) => {
    memory.set(CODE + i, byte);
  });
  memory.set(NEW - 8, 15);
  memory.set(NEW - 4, 44);
  return { memory, end: runCopy(memory, CODE) };
}

const bytesAt = ({ memory }: { memory: Memory }, at: number, length: number): number[] =>
  Array.from({ length }, (_, i) => memory.get(at + i) ?? 0);

test.each([
  ["a new root pointer", 2, true, [15, 44]],
  ["a newer one", 3, true, [15, 44]],
  ["an old one: the second tag is the end", 0, true, [0, 8]],
  ["an old one, and no tags", 0, false, [15, 44]],
])("%s", (_, revision, ifOld, tag) => {
  const done = after(revision, ifOld);
  expect(done.end).toBe(ENTRY);
  expect(bytesAt(done, OLD, 21)).toEqual([...bytesAt(done, FROM, 20), 0]);
  expect(bytesAt(done, NEW, 37)).toEqual([...bytesAt(done, FROM, 36), 0]);
  expect([NEW - 8, NEW - 4].map((at) => done.memory.get(at))).toEqual(tag);
});
