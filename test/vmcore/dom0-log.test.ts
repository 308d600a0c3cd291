/** dom0's log in dumps of machines with Xen. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KexecError } from "../../src/core/error.ts";
import { dumpLog } from "../../src/vmcore/dump-log.ts";
import { orRefusal } from "../kexec-error.ts";
import type { LogKind, LogRecord } from "./make-core.ts";
import { makeXenCore } from "./make-xen-core.ts";

const RECORDS: readonly LogRecord[] = [
  { text: "Linux version 6.1", time: 0n },
  { text: "x".repeat(3000), time: 1_234_567_999n },
  { text: "the last word before the crash", time: 2_000_000_000n },
];
const KINDS: readonly LogKind[] = ["ringbuffer", "records", "plain"];

/** The text, or what is thrown with its status. */
function dump(core: Uint8Array): { text: string; error: KexecError | null } {
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  const read = (offset: number, length: number) => core.slice(offset, offset + length);
  const error = orRefusal(() => dumpLog("CORE", read, write));
  return { text, error: error instanceof KexecError ? error : null };
}

describe.each([...KINDS])("%s", (kind) => {
  const times = kind === "plain" ? ["", "", ""] : ["0.000000", "1.234567", "2.000000"];
  const expected = RECORDS.map(({ text }, i) => {
    const time = times[i] === "" ? "" : `[    ${times[i]}] `;
    return `${time}${text}\n`;
  }).join("");
  const core = makeXenCore({ kind, records: RECORDS, sizeBits: 13 });

  test("is found by dom0's own page tables", () => {
    expect(dump(core)).toEqual({ text: expected, error: null });
  });

  test("is not found where dom0 had not said where its memory is", () => {
    for (const frameListList of [0n, (1n << 64n) - 1n, 0x123n]) {
      const { text, error } = dump(makeXenCore({ kind, records: RECORDS, frameListList }));
      expect(text).toBe("");
      expect(error?.message).toContain("No program header covering vaddr");
    }
  });

  test("whatever is damaged, it ends", () => {
    fc.assert(
      fc.property(fc.nat(core.length - 1), fc.nat(255), fc.nat(7), (at, value, count) => {
        const damaged = core.slice();
        for (let i = 0; i <= count; i += 1) damaged[(at + i * 4099) % core.length] = value;
        dump(damaged);
        dump(core.subarray(0, at));
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});

test("without dom0's vmcoreinfo it is said why there is no log", () => {
  const { text, error } = dump(makeXenCore({ kind: "plain", records: RECORDS, withoutDom0: true }));
  expect(text).toBe("");
  expect([error?.message, error?.exitStatus]).toEqual(["Missing the log_buf symbol", 50]);
  expect(error?.hint).toContain("This dump of a machine with Xen has no VMCOREINFO note of dom0");
  expect(error?.hint).toContain("Xen's own log cannot be found");
});
