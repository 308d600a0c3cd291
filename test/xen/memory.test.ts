/**
 * Where the memory fails that Xen is to read, at every piece of it in turn, and where the device
 * itself does: the built file says which call failed and why, gives back what it has, and nothing
 * is loaded.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Errno } from "../../src/edge/ffi/errno.ts";
import { strerror } from "../../src/edge/ffi/libc.ts";
import { type Circumstances, makeDom0, type Ran, type Way } from "./dom0.ts";

const dom0 = makeDom0();
beforeAll(dom0.build, 180_000);
afterAll(dom0.remove);

const { kernel } = dom0;
const LOAD = ["-l", "--append=quiet", kernel];
const ENOMEM = "Cannot allocate memory";

/** Runs a load once for each call of `call`, the first without, until there is none left. */
function sweep(way: Way, call: string): Ran[] {
  const runs: Ran[] = [];
  for (let nth = 0; nth < 200; nth += 1) {
    const ran = dom0.run(["-d", ...LOAD], { way, fail: `${call}:12:${nth}` });
    if (!ran.failed) return runs;
    runs.push(ran);
  }
  throw new Error(`${call} is called without end`);
}

/** What was said of the piece of memory that there was none for. */
const PIECE = /dom0 has no memory for a copy of (.*) that Xen can read\./;

/**
 * @param held whether the library itself may forget some memory of its own
 * @returns the pieces that a load ended for
 */
function expectNothingIsLeft(runs: readonly Ran[], held = /held=0/): string[] {
  const pieces: string[] = [];
  for (const { status, stderr, log } of runs) {
    expect(log.at(-1)).toMatch(/^close held=\d+ loaded=[01]$/);
    expect(log.at(-1)).toMatch(held);
    expect(log.at(-1)).toEndWith(`loaded=${status === 0 ? 1 : 0}`);
    if (status === 0) continue;
    expect(status).toBe(255);
    expect(log.some((line) => line.startsWith("load "))).toBe(false);
    expect(stderr).toContain(ENOMEM);
    const [, piece] = PIECE.exec(stderr) ?? [];
    if (piece === undefined) expect(stderr).toContain("\nCould not get memory layout\n");
    else expect(stderr).toContain(`kexec_load failed: ${ENOMEM}\nentry       = 0x`);
    if (piece !== undefined) pieces.push(piece);
  }
  return pieces;
}

test("a stand-in for libxenctrl: the array, and every buffer of it", () => {
  const array = expectNothingIsLeft(sweep("stand-in", "xc_hypercall_buffer_array_create"));
  expect(array).toEqual(["the call itself"]);
  const buffers = expectNothingIsLeft(sweep("stand-in", "xc__hypercall_buffer_array_alloc"));
  expect(buffers.toSorted()).toEqual(["the boot-params", "the kernel", "the purgatory"]);
});

describe.each(["device", "memory"] as const)("mmap, by the way %p", (way) => {
  let runs: Ran[] = [];
  beforeAll(() => {
    runs = sweep(way, "mmap");
  }, 180_000);

  test("ends the load where the load's own memory is not to be had", () => {
    expect(expectNothingIsLeft(runs)).toEqual([
      // The table of segments, then the segments in their order, then the argument.
      "the call itself",
      ...["the kernel", "the boot-params", "the purgatory"],
      "the call itself",
    ]);
  });

  test("ends it where the memory map cannot be asked for, for which it takes two", () => {
    const without = runs.filter(({ stderr }) => stderr.includes("Could not get memory layout"));
    expect(without).toHaveLength(2);
  });

  test("is a note where the load goes on without", () => {
    const loaded = runs.filter(({ status }) => status === 0);
    expect(loaded.length).toBeGreaterThan(5);
    // Without a word only: the last part of the version, and whether something was loaded before.
    const silent = loaded.filter(({ stderr }) => !stderr.includes(ENOMEM));
    expect(silent.length).toBe(2);
  });

  test.each([
    ["EAGAIN", 11, "Resource temporarily unavailable"],
    ["ENODEV", 19, "No such device"],
  ])("with %s has its own text", (_, errno, text) => {
    const nth = runs.findIndex(({ stderr }) => stderr.includes("a copy of the kernel"));
    const ran = dom0.run(LOAD, { way, fail: `mmap:${errno}:${nth}` });
    expect(ran.stderr).toStartWith(`kexec_load failed: ${text}\n`);
    expect(ran.status).toBe(255);
    expect(ran.log.at(-1)).toBe("close held=0 loaded=0");
  });

  test.each([
    [["-u"], 255, "kexec unload failed: Cannot allocate memory\n"],
    [["-S", "-l"], 255, "Whether an image is loaded is not known: Cannot allocate memory.\n"],
  ])("ends %j", (words, status, says) => {
    const ran = dom0.run(words, { way, fail: "mmap:12" });
    expect([ran.failed, ran.status]).toEqual([true, status]);
    expect(ran.stderr).toStartWith(says);
    expect(ran.log.at(-1)).toBe("close held=0 loaded=0");
  });
});

test("mmap, below Debian's libxenctrl", () => {
  const runs = sweep("debian", "mmap");
  expect(runs.length).toBeGreaterThan(5);
  // Its do_memory_op() keeps one page where it has no memory for another.
  const pieces = new Set(expectNothingIsLeft(runs, /held=[01] /));
  expect(pieces.size).toBeGreaterThan(0);
}, 180_000);

describe.each(["debian", "device", "memory"] as const)("guests' memory, by the way %p", (way) => {
  test("is where all pieces lie", () => {
    const { stderr, log } = dom0.run(["-d", ...LOAD], { way });
    expect(stderr).toContain("all segments lie in memory that the hypervisor does not allocate");
    const places = log.flatMap((line) => /buf=yes .* dest=0x([0-9a-f]+)\+/.exec(line)?.[1] ?? []);
    expect(places).toHaveLength(3);
    for (const place of places) {
      // Of each GiB, 128 MiB to 512 MiB.
      const within = BigInt(`0x${place}`) % (1n << 30n);
      expect(within >= 128n << 20n && within < 512n << 20n).toBe(true);
    }
  });

  test.each([
    ["machphys", "EPERM"],
    ["machphys", "ENOSYS"],
    ["mmapbatch", "EPERM"],
    ["mmapbatch", "EINVAL"],
    ["mmapbatch_frame", "EINVAL"],
    ["mmapbatch_frame", "EPERM"],
  ] as const)("is not known where %s fails with %s: a note, and all lies low", (call, error) => {
    const errno = Errno[error];
    const ran = dom0.run(["-d", ...LOAD], { way, fail: `${call}:${errno}` });
    expect([ran.failed, ran.status]).toEqual([true, 0]);
    expect(ran.stderr).toContain(
      `Xen does not show which memory belongs to guests: ${strerror(errno)}.\n`,
    );
    expect(ran.stderr).toContain("the kernel lies at 0x1000000, the lowest that fits");
    expect(ran.log.at(-1)).toBe("close held=0 loaded=1");
  });
});

describe("a device that cannot be opened", () => {
  const folder = "rm /dev/xen/privcmd; mkdir /dev/xen/privcmd\n";
  const NOT_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
  const HINT = "cannot be opened: try: modprobe -r xen-privcmd; modprobe xen-privcmd\n";

  test.each<[string, Circumstances, string, string]>([
    [
      "is missing",
      { before: "rm /dev/xen/privcmd\n" },
      "No such file or directory",
      "modprobe xen",
    ],
    ["is something else", { before: folder }, "Is a directory", HINT],
    [
      "is for others",
      { before: "chmod 0 /dev/xen/privcmd\n", under: NOT_ROOT },
      "Permission denied",
      "Run kexec as root.\n",
    ],
  ])("since it %s", (_name, circumstances, text, hint) => {
    const setup: Circumstances = { way: "device", ...circumstances };
    const line = `cannot open /dev/xen/privcmd: ${text}\n`;
    const load = dom0.run(LOAD, setup);
    expect(load.stderr).toStartWith(
      "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout\n" +
        line,
    );
    expect(load.stderr).toEndWith(`${hint}`.endsWith("\n") ? hint : "xen-privcmd\n");
    const unload = dom0.run(["-u"], setup);
    expect(unload.stderr).toStartWith(`kexec unload failed: ${text}\n${line}`);
    const status = dom0.run(["-S"], setup);
    expect(status.stderr).toStartWith(line);
    expect([load.status, unload.status, status.status]).toEqual([255, 255, 255]);
    expect([...load.log, ...unload.log, ...status.log]).toEqual([]);
  });

  test("is told of before the network would go down", () => {
    const ran = dom0.run(["-e", "-x", "-y"], { way: "device", before: folder });
    expect(ran.status).toBe(255);
    expect(ran.stderr).toStartWith("kexec failed: Is a directory\ncannot open /dev/xen/privcmd");
  });
});
