/**
 * Failures to allocate hypercall buffers, each allocation in turn, and to open the privcmd device.
 * The built file reports the call that failed and the reason, frees all memory, and loads nothing.
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

/** Repeats a load with the 1st, 2nd, 3rd call of `call` failing, until there is no such call. */
function sweep(way: Way, call: string): Ran[] {
  const runs: Ran[] = [];
  for (let nth = 0; nth < 200; nth += 1) {
    const ran = dom0.run(["-d", ...LOAD], { way, fail: `${call}:12:${nth}` });
    if (!ran.failed) return runs;
    runs.push(ran);
  }
  throw new Error(`${call} is called without end`);
}

/** The message that names the buffer that could not be allocated. */
const PIECE = /dom0 has too little memory for a hypercall buffer for (.*)\./;

/**
 * Checks that no run has leaked memory, and that a run that failed has loaded nothing.
 * @param held a pattern for the number of allocations at the end; Debian's library may leak one
 * @returns the buffers whose allocation ended a load
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

test("libxenctrl's stand-in: the buffer array, and every buffer of it", () => {
  const array = expectNothingIsLeft(sweep("stand-in", "xc_hypercall_buffer_array_create"));
  expect(array).toEqual(["the hypercall's arguments"]);
  const buffers = expectNothingIsLeft(sweep("stand-in", "xc__hypercall_buffer_array_alloc"));
  expect(buffers.toSorted()).toEqual(["the boot-params", "the kernel", "the purgatory"]);
});

describe.each(["device", "memory"] as const)("mmap fails, way %p:", (way) => {
  let runs: Ran[] = [];
  beforeAll(() => {
    runs = sweep(way, "mmap");
  }, 180_000);

  test("the load fails where one of its buffers cannot be allocated", () => {
    expect(expectNothingIsLeft(runs)).toEqual([
      // The table of segments, then the segments in their order, then the argument.
      "the hypercall's arguments",
      ...["the kernel", "the boot-params", "the purgatory"],
      "the hypercall's arguments",
    ]);
  });

  test("the load fails where one of the two buffers for the memory map cannot be allocated", () => {
    const without = runs.filter(({ stderr }) => stderr.includes("Could not get memory layout"));
    expect(without).toHaveLength(2);
  });

  test("a fact that the load can do without is a note", () => {
    const loaded = runs.filter(({ status }) => status === 0);
    expect(loaded.length).toBeGreaterThan(5);
    // No note: the third part of the version, and the status before the load.
    const silent = loaded.filter(({ stderr }) => !stderr.includes(ENOMEM));
    expect(silent.length).toBe(2);
  });

  test.each([
    ["EAGAIN", 11, "Resource temporarily unavailable"],
    ["ENODEV", 19, "No such device"],
  ])("the load fails with the text of %s", (_, errno, text) => {
    const nth = runs.findIndex(({ stderr }) =>
      stderr.includes("a hypercall buffer for the kernel"),
    );
    const ran = dom0.run(LOAD, { way, fail: `mmap:${errno}:${nth}` });
    expect(ran.stderr).toStartWith(`kexec_load failed: ${text}\n`);
    expect(ran.status).toBe(255);
    expect(ran.log.at(-1)).toBe("close held=0 loaded=0");
  });

  test.each([
    [["-u"], 255, "kexec unload failed: Cannot allocate memory\n"],
    [
      ["-S", "-l"],
      255,
      "Xen does not report whether an image is loaded: Cannot allocate memory.\n",
    ],
  ])("%j fails", (words, status, says) => {
    const ran = dom0.run(words, { way, fail: "mmap:12" });
    expect([ran.failed, ran.status]).toEqual([true, status]);
    expect(ran.stderr).toStartWith(says);
    expect(ran.log.at(-1)).toBe("close held=0 loaded=0");
  });
});

test("mmap fails below Debian's libxenctrl", () => {
  const runs = sweep("debian", "mmap");
  expect(runs.length).toBeGreaterThan(5);
  // Its do_memory_op() leaks one page where it cannot allocate another.
  const pieces = new Set(expectNothingIsLeft(runs, /held=[01] /));
  expect(pieces.size).toBeGreaterThan(0);
}, 180_000);

describe.each(["debian", "device", "memory"] as const)("guests' memory, way %p:", (way) => {
  test("all segments lie in it", () => {
    const { stderr, log } = dom0.run(["-d", ...LOAD], { way });
    expect(stderr).toContain("all segments lie in memory that the hypervisor does not allocate");
    const places = log.flatMap((line) => /buf=yes .* dest=0x([0-9a-f]+)\+/.exec(line)?.[1] ?? []);
    expect(places).toHaveLength(3);
    for (const place of places) {
      // Guests own 128 MiB to 512 MiB of each GiB.
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
  ] as const)("where %s fails with %s it is unknown: a note, and low addresses", (call, error) => {
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
  const HINT = "cannot be opened. Try: modprobe -r xen-privcmd; modprobe xen-privcmd\n";

  test.each<[string, Circumstances, string, string]>([
    [
      "is missing",
      { before: "rm /dev/xen/privcmd\n" },
      "No such file or directory",
      "modprobe xen",
    ],
    ["is a directory", { before: folder }, "Is a directory", HINT],
    [
      "has mode 0",
      { before: "chmod 0 /dev/xen/privcmd\n", under: NOT_ROOT },
      "Permission denied",
      "Run kexec as root.\n",
    ],
  ])("because it %s", (_name, circumstances, text, hint) => {
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

  test("is reported before the network is taken down", () => {
    const ran = dom0.run(["-e", "-x", "-y"], { way: "device", before: folder });
    expect(ran.status).toBe(255);
    expect(ran.stderr).toStartWith("kexec failed: Is a directory\ncannot open /dev/xen/privcmd");
  });
});
