/**
 * The built file behaves the same in dom0 whichever way it reaches Xen: through libxenctrl, through
 * the privcmd device, or through the privcmd device of a kernel without a hypercall device. So do
 * its messages where a call fails, for each call and each documented error.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { strerror } from "../../src/edge/ffi/libc.ts";
import { documentedFailures, errorNumber, type Failure } from "./documented-failures.ts";
import { type Circumstances, makeDom0, type Ran, type Way } from "./dom0.ts";

const dom0 = makeDom0();
beforeAll(() => {
  dom0.build();
  for (const [, way] of WAYS) {
    // Proves that the tests below run the Xen backend.
    const { stderr } = dom0.run(["-d", "-S"], { way });
    if (!stderr.includes("\nhypercalls go through ")) throw new Error(stderr);
  }
}, 180_000);
afterAll(dom0.remove);

const WAYS: readonly (readonly [string, Way])[] = [
  ["a stand-in for libxenctrl", "stand-in"],
  ["Debian's libxenctrl", "debian"],
  ["the device", "device"],
  ["the device and locked memory", "memory"],
];
const { kernel } = dom0;
const LOAD = ["-l", "--append=quiet", kernel];
/** Loads a kernel and starts it at once. */
const FORCE = ["-f", "-x", "-y", kernel];

/** The calls that Xen received, without those that open and close the interface. Checks that
 * everything is closed and freed at the end.
 * @param loaded bit mask of the types of image that must be loaded at the end */
function askedOf(ran: Ran, way: Way, loaded: number): string[] {
  const { log } = ran;
  const closings = log.filter((line) => line.startsWith("close "));
  if (way === "stand-in") {
    expect(log[0]).toBe("open stand-in");
    expect(closings).toHaveLength(1);
  }
  // Debian's library opens the device more than once, and frees memory at the last close.
  const counted = way === "debian" ? [] : closings;
  for (const line of counted) expect(line).toStartWith("close held=0 ");
  expect(log.at(-1)).toBe(`close held=0 loaded=${loaded}`);
  return log.filter((line) => !/^(?:open|close) /.test(line));
}

describe.each(WAYS)("through %s", (_name, way) => {
  const run = (words: readonly string[], circumstances: Circumstances = {}) =>
    dom0.run(words, { way, ...circumstances });

  test.each([[[]], [["-s"]], [["-c"]], [["-a"]], [["-i"]]])("a load with %j", (words) => {
    const ran = run([...words, ...LOAD]);
    expect([ran.stdout, ran.stderr, ran.status]).toEqual(["", "", 0]);
    const [load, ...segments] = askedOf(ran, way, 1);
    expect(load).toMatch(/^load type=0 arch=62 entry=0x[0-9a-f]+ segments=4$/);
    expect(segments[0]).toBe("segment buf=no size=0x0 dest=0x0+0x100000 fnv=cbf29ce484222325");
    const [, , ...loaded] = segments.map((line) => line.replace(/ dest=.*/, ""));
    expect(loaded[0]).toStartWith("segment buf=yes size=0x");
    expect(segments).toHaveLength(4);
  });

  test("Xen reads the image's bytes", () => {
    const { log } = run(LOAD);
    // FNV-1a of the 64-bit code that makeBzImage() makes.
    expect(log.some((line) => line.endsWith("fnv=76145de126bf5325"))).toBe(true);
  });

  test("a load unloads the image that is loaded", () => {
    const [first, second = ""] = askedOf(run(LOAD, { loaded: true }), way, 1);
    expect(first).toBe("unload type=0");
    expect(second).toStartWith("load type=0 ");
  });

  test("-u unloads, twice if Xen's status bit was clear", () => {
    const once = run(["-u"], { loaded: true });
    expect([once.stderr, once.status]).toEqual(["", 0]);
    expect(askedOf(once, way, 0)).toEqual(["unload type=0"]);
    expect(askedOf(run(["-u"]), way, 0)).toEqual(["unload type=0", "unload type=0"]);
    expect(askedOf(run(["-p", "-u"]), way, 0)).toEqual(["unload type=1", "unload type=1"]);
  });

  test.each([
    [["-S", "-l"], true, 1, "Xen reports an image."],
    [["-S", "-l"], false, 0, "Xen reports no image."],
    [["-S"], true, 0, "Xen reports no image."],
  ])("%j, loaded %p", (words, loaded, status, doubt) => {
    const ran = run(words, { loaded });
    expect(ran.status).toBe(status);
    expect(ran.stderr).toStartWith(doubt);
    expect(askedOf(ran, way, Number(loaded))).toEqual([]);
  });

  test("--print-ckr-size", () => {
    const none = run(["--print-ckr-size"]);
    expect([none.stdout, none.stderr, none.status]).toEqual(["0\n", "", 0]);
    expect(askedOf(none, way, 0)).toEqual([]);
    expect(run(["--print-ckr-size"], { crashArea: true }).stdout).toBe("134217728\n");
  });

  test("-p loads into Xen's crash region", () => {
    const ran = run(["-p", "--append=quiet", kernel], { crashArea: true });
    expect([ran.stderr, ran.status]).toEqual(["", 0]);
    const [load, ...segments] = askedOf(ran, way, 2);
    expect(load).toStartWith("load type=1 arch=62 ");
    const loaded = segments.filter((line) => line.startsWith("segment buf=yes"));
    for (const line of loaded) expect(line).toMatch(/ dest=0x6[0-7][0-9a-f]{6}\+/);
  });

  test("-p without a crash region, which Xen reports as size 0", () => {
    const ran = run(["-p", "--append=quiet", kernel]);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toStartWith("Memory for crashkernel is not reserved\n");
    expect(askedOf(ran, way, 0)).toEqual([]);
  });

  test("-f loads and starts; an exec call that returns has failed", () => {
    const ran = run(FORCE);
    const says =
      "kexec failed: Input/output error\n" +
      "Xen's kexec never returns this error: it comes from the privcmd driver or a security policy.\n" +
      "dmesg and xl dmesg may say more.\n";
    expect([ran.stderr, ran.status]).toEqual([says, 255]);
    expect(askedOf(ran, way, 1).at(-1)).toBe("exec type=0");
  });

  test("-e fails where nothing is loaded", () => {
    const ran = run(["-e", "-x", "-y"]);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toStartWith("Nothing has been loaded!\nXen reports no image.");
    expect(askedOf(ran, way, 0)).toEqual([]);
  });

  test("a live update has its own type of image", () => {
    const ran = run(["--load-live-update", "--append=quiet", kernel]);
    expect([ran.stderr, ran.status]).toEqual(["", 0]);
    expect(askedOf(ran, way, 4)[0]).toStartWith("load type=2 arch=62 ");
  });
});

/** For each call, a command line that makes it, and the result where it fails. */
interface Action {
  readonly words: readonly string[];
  /** The message; TEXT stands for the C library's text of the error. */
  readonly says: string;
  readonly status: number;
  /** Whether the image is loaded at the end. */
  readonly loaded?: boolean;
  readonly explained?: boolean;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  xc_version: {
    words: ["-d", ...LOAD],
    says: "Xen does not report its version: TEXT.\n",
    status: 0,
    loaded: true,
  },
  xc_get_machine_memory_map: {
    words: LOAD,
    says: "get_memory_ranges_xen: xc_get_machine_memory_map: TEXT\nCould not get memory layout\n",
    status: 255,
  },
  xc_kexec_get_range: {
    words: ["-d", ...LOAD],
    says: "Xen does not report KEXEC_RANGE_MA_CRASH: TEXT.\n",
    status: 0,
    loaded: true,
  },
  xc_kexec_load: {
    words: LOAD,
    says: "kexec_load failed: TEXT\nentry       = 0x",
    status: 255,
    explained: true,
  },
  xc_kexec_unload: { words: ["-u"], says: "kexec unload failed: TEXT\n", status: 255 },
  xc_kexec_exec: { words: FORCE, says: "kexec failed: TEXT\n", status: 255, loaded: true },
};

/** Errors of any call outside of dom0 (EPERM) and of an older Xen (ENOSYS). */
const BY_XEN: readonly Failure[] = Object.keys(ACTIONS)
  .filter((call) => call.startsWith("xc_kexec"))
  .flatMap((call) => [[call, "EPERM"] as const, [call, "ENOSYS"] as const]);

const documented = documentedFailures();
const FAILURES = [...documented, ...BY_XEN].filter(([call]) => call in ACTIONS);

/** Calls with their own tests, below or in memory.test.ts and program.test.ts. */
const ELSEWHERE = [
  "xc_interface_open",
  "xc_kexec_status",
  "xc_hypercall_buffer_array_create",
  "xc__hypercall_buffer_array_alloc",
];

test("every documented error of a call is tested", () => {
  expect(documented.length).toBeGreaterThan(20);
  const untried = documented.filter(([call]) => !(call in ACTIONS) && !ELSEWHERE.includes(call));
  expect(untried).toEqual([]);
});

describe.each(WAYS)("a call that fails, through %s", (_name, way) => {
  test.each(FAILURES)("%s with %s", (call, error) => {
    const { words, says, status, loaded = false, explained = false } = ACTIONS[call] as Action;
    const errno = errorNumber(error);
    const ran = dom0.run(words, { way, fail: `${call}:${errno}` });
    expect(ran.failed).toBe(true);
    expect(ran.status).toBe(status);
    const text = says.replace("TEXT", strerror(errno));
    if (status === 0) expect(ran.stderr).toContain(text);
    else expect(ran.stderr).toStartWith(text);
    if (explained) expect(ran.stderr).toMatch(/\nsegment\[2\]\.memsz = 0x[0-9a-f]+\n[A-Z]./);
    askedOf(ran, way, Number(loaded));
  });

  test.each(documented.filter(([call]) => call === "xc_kexec_status"))(
    "%s with %s: it is unknown whether an image is loaded, and a load works",
    (call, error) => {
      const fail = `${call}:${errorNumber(error)}`;
      const ran = dom0.run(["-S", "-l"], { way, fail });
      expect(ran.status).toBe(255);
      expect(ran.stderr).toBe(
        "Xen does not report whether an image is loaded: this Xen has no status call.\n",
      );
      askedOf(ran, way, 0);
      const load = dom0.run(LOAD, { way, fail });
      expect([load.failed, load.stderr, load.status]).toEqual([true, "", 0]);
      askedOf(load, way, 1);
    },
  );

  test("a load where the loaded image cannot be unloaded", () => {
    const ran = dom0.run(LOAD, { way, loaded: true, fail: "xc_kexec_unload:16" });
    expect(ran.status).toBe(255);
    expect(ran.stderr).toStartWith("kexec_load failed: Device or resource busy\n");
    expect(askedOf(ran, way, 1)).toEqual(["unload type=0"]);
  });

  test("a load that fails has unloaded the image before", () => {
    const ran = dom0.run(LOAD, { way, loaded: true, fail: "xc_kexec_load:12" });
    expect(ran.status).toBe(255);
    expect(askedOf(ran, way, 0)[0]).toBe("unload type=0");
  });

  test.each([
    [["--load-live-update", kernel], "xc_kexec_load:22", "kexec_load failed: Invalid argument\n"],
    [
      ["-x", "-y", "--exec-live-update"],
      "xc_kexec_status:22",
      "kexec failed: Invalid argument\nThis Xen has no live update",
    ],
  ])("a live update with a Xen that does not support it: %j", (words, fail, says) => {
    const ran = dom0.run(words, { way, fail });
    expect([ran.failed, ran.status]).toEqual([true, 255]);
    expect(ran.stderr).toStartWith(says);
    expect(ran.stderr).toContain("This Xen has no live update");
    askedOf(ran, way, 0);
  });
});
