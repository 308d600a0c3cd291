/**
 * Kernels that are to give the machine back, as kexec-tools and onekexec load them. The machine is
 * files in a mount namespace, made of recorded facts; the call is never made.
 */

import { describe, expect, test } from "bun:test";
import { PT_LOAD } from "../../src/core/elf.ts";
import { normalize } from "../../src/core/range.ts";
import { differs, same, TIMEOUT_MS } from "./compare.ts";
import { filesOf, recorded } from "./crash-machine.ts";
import { difference } from "./differences.ts";
import { INITRD, KERNEL, KERNEL_PIECE } from "./inputs.ts";
import { commandLineOf, coreHeaderOf, e820Of, type Loaded, load } from "./loaded.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

const LOW_END = 0xa0000n;
const MEM_MAX = 0x1fff_ffffn;
const WINDOW = `--mem-max=0x${MEM_MAX.toString(16)}`;
const RECORDED = recorded("qemu-2g-vesa-edd-crash");
/** Its vmcoreinfo is not in what is swapped, so that there can be a dump. */
const MACHINE = {
  ...RECORDED,
  crash: { ...RECORDED.crash, vmcoreinfo: { start: 0x60001000n, end: 0x60002024n } },
};
const PRESERVE = ["-c", "-l", "--load-preserve-context", WINDOW];

const loadOn = (binary: string, more: readonly string[] = []) =>
  load(
    binary,
    [...PRESERVE, ...more, KERNEL, `--initrd=${INITRD}`, "--append=console=ttyS0 quiet"],
    { files: filesOf(MACHINE) },
  );

describe("what both refuse", () => {
  same(["-l", "--load-preserve-context", KERNEL]);
  same(["-l", "--load-preserve-context", "--mem-max=-1", KERNEL]);
  same(["-s", "-l", "--load-preserve-context", WINDOW, KERNEL]);
  same(["-S", "-s", "--load-preserve-context"]);
  same(["-S", "-c", "--load-preserve-context"]);
  same(["-u", "-c", "--load-preserve-context", WINDOW]);
  same([...PRESERVE, "-u"]);
});

differs(
  "preserve-auto",
  ["-a", "-l", "--load-preserve-context", WINDOW, KERNEL],
  {
    theirs: {
      status: 1,
      stderr: ["--load-preserve-context not supported with kexec_file_load"],
      calls: [],
    },
    ours: {
      status: 0,
      stdout: [],
      stderr: [],
      calls: [`kexec_load flags 0x3e0002; ${KERNEL_PIECE}; initrd: -> 0`, "sync"],
    },
  },
  { machine: { files: filesOf(MACHINE) } },
);

/** Where segments lie, whole. */
const taken = ({ segments }: Loaded) =>
  normalize(segments.map(({ mem, memsz }) => ({ start: mem, end: mem + memsz })));

/** The command line with the core header's place as `HERE`. */
const comparable = (loaded: Loaded): string =>
  commandLineOf(loaded).replace(
    `elfcorehdr=${coreHeaderOf(loaded).at / 1024n}K`,
    "elfcorehdr=HERE",
  );

describe("a load", () => {
  test(
    "has the same flags, memory and command line",
    async () => {
      const [theirs, ours] = [await loadOn(KEXEC_TOOLS), await loadOn(ONEKEXEC)];
      for (const { outcome } of [theirs, ours]) {
        expect(outcome.calls[0]).toMatchObject({ name: "kexec_load", flags: 0x3e0002n });
      }
      expect(taken(ours)).toEqual(taken(theirs));
      expect(comparable(ours)).toBe(comparable(theirs));
    },
    TIMEOUT_MS,
  );

  test(
    `${difference("preserve-memory").id}: the next kernel knows of no memory above --mem-max`,
    async () => {
      const ends = (loaded: Loaded) =>
        e820Of(loaded)
          .filter(({ type }) => type === 1)
          .map(({ end }) => end);
      expect(ends(await loadOn(KEXEC_TOOLS)).some((end) => end > MEM_MAX + 1n)).toBe(true);
      const ours = ends(await loadOn(ONEKEXEC));
      expect(ours.every((end) => end <= MEM_MAX + 1n)).toBe(true);
      expect(ours.length).toBeGreaterThan(1);
    },
    TIMEOUT_MS,
  );

  test(
    `${difference("preserve-dump").id}: the dump has nothing of what was swapped`,
    async () => {
      const swapped = (loaded: Loaded) =>
        coreHeaderOf(loaded).headers.filter(
          ({ p_type, p_paddr }) => p_type === PT_LOAD && p_paddr < LOW_END,
        );
      expect(swapped(await loadOn(KEXEC_TOOLS)).length).toBeGreaterThan(0);
      expect(swapped(await loadOn(ONEKEXEC))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
