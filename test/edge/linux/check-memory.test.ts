/** The memory that a load needs of the running kernel, against the memory that is available. */

import { describe, expect, test } from "bun:test";
import { linuxBackend } from "../../../src/edge/linux/backend.ts";
import type { LoadPlan } from "../../../src/model/load-plan.ts";
import { refusal } from "../../kexec-error.ts";
import { fakeLinux, filePlan, segmentPlan } from "./fake-linux.ts";

/** The memory of the segments, of which the initrd has 0x3f98000 bytes. */
const SEGMENTS = 0x3f99000n;
const file = (size: bigint) => ({ path: "/k", fd: 5, size });
const FILES = { kernel: file(600n), initrd: file(400n) };

const loadWith = (plan: LoadPlan, available?: bigint) => {
  const linux = fakeLinux([], available === undefined ? {} : { available });
  return { linux, load: () => linuxBackend(linux.host, []).load(plan) };
};

const LOADS = [
  ["kexec_load copies the segments", segmentPlan(), SEGMENTS],
  ["a jump back is kept too", segmentPlan({ purpose: "preserve-context" }), SEGMENTS],
  ["a crash kernel lies in reserved memory", segmentPlan({ purpose: "crash" }), 0n],
  ["kexec_file_load reads the files and copies them", filePlan(FILES), 2000n],
  ["of a crash kernel it reads them only", filePlan({ ...FILES, purpose: "crash" }), 1000n],
  ["without an initrd", filePlan({ ...FILES, initrd: null }), 1200n],
] as const;

describe("enough memory, or an unknown amount", () => {
  test.each(LOADS)("%s", (_, plan, needed) => {
    for (const available of [undefined, needed, needed + 1n]) {
      const { linux, load } = loadWith(plan, available);
      expect(load()).toEqual({ kind: "loaded" });
      expect(linux.calls.length).toBe(1);
    }
  });
});

describe("one byte less is refused, and nothing is called", () => {
  test.each(LOADS.filter(([, , needed]) => needed > 0n))("%s", (_, plan, needed) => {
    const { linux, load } = loadWith(plan, needed - 1n);
    const error = refusal(load);
    expect(error.code).toBe("host.memory");
    expect(error.exitStatus).toBe(255);
    expect(error.message).toMatch(/^kexec(_file)?_load cannot load this: that needs .* of memory$/);
    expect(error.hint).toContain("MemAvailable and SwapFree in /proc/meminfo.\nStop programs");
    expect(linux.calls).toEqual([]);
  });
});
