/**
 * The built file in what looks like a PV dom0, with stand-ins for libxenctrl: which library it
 * opens, what it does with it, and what it says where that fails. It runs in a mount namespace with
 * a /sys of the test's own, and reaches no kexec of this machine.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { buildStandIn, REQUIRED } from "./stand-in.ts";

const directory = mkdtempSync(join(tmpdir(), "onekexec-dom0-"));
const LOG = join(directory, "log");
const KERNEL = join(directory, "kernel");
const LIBRARIES = join(directory, "libraries");
const LIBRARY = join(LIBRARIES, "libxenctrl.so.4.17");
const NO_PRIVCMD = "There is no /dev/xen/privcmd: the module xen-privcmd makes it.";
const LAYOUT =
  "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout\n";

/** What dom0 looks like; $1 is what is between the dots of the version, or nothing. */
const DOM0 = `
mount -t tmpfs tmpfs /sys && mkdir -p /sys/hypervisor/properties /sys/hypervisor/version
echo xen > /sys/hypervisor/type; echo PV > /sys/hypervisor/guest_type
echo 228f0 > /sys/hypervisor/properties/features
if [ -n "$1" ]; then
  echo "\${1%.*}" > /sys/hypervisor/version/major; echo "\${1#*.}" > /sys/hypervisor/version/minor
fi
shift
`;

interface Ran {
  readonly status: number | null;
  readonly stderr: string;
  readonly log: readonly string[];
}

interface Dom0 {
  readonly version?: string;
  readonly fail?: string;
  readonly path?: string;
  readonly cwd?: string;
  /** Shell lines before the program. */
  readonly before?: string;
  readonly under?: readonly string[];
}

/** Runs kexec; `-e` must come with `-x -y`. */
function dom0(words: readonly string[], setup: Dom0 = {}): Ran {
  const { version = "4.17", fail = "", path = LIBRARIES, cwd = directory, before = "" } = setup;
  rmSync(LOG, { force: true });
  const script = `${DOM0}${before}\nexec "$@"`;
  const program = [...(setup.under ?? []), KEXEC, ...words];
  const ran = Bun.spawnSync(["unshare", "-m", "sh", "-c", script, "sh", version, ...program], {
    cwd,
    env: {
      PATH: process.env.PATH ?? "",
      LD_LIBRARY_PATH: path,
      STAND_IN_LOG: LOG,
      ...(fail === "" ? {} : { STAND_IN_FAIL: fail }),
    },
    stdin: "ignore",
  });
  const log = existsSync(LOG) ? readFileSync(LOG, "latin1").split("\n").filter(Boolean) : [];
  return { status: ran.exitCode, stderr: ran.stderr.toString("latin1"), log };
}

const LOAD = ["-l", "--append=quiet", KERNEL];

beforeAll(() => {
  buildKexec();
  mkdirSync(LIBRARIES);
  buildStandIn(LIBRARY);
  writeFileSync(KERNEL, makeBzImage());
}, 60_000);
afterAll(() => rmSync(directory, { recursive: true }));

/** All that was allocated was free when the interface was closed, once. */
function expectClosed(log: readonly string[]): void {
  expect(log.filter((line) => line.startsWith("open"))).toEqual(["open stand-in"]);
  expect(log.filter((line) => line.startsWith("close"))).toEqual(["close held=0"]);
  expect(log.at(-1)).toBe("close held=0");
}

describe("through the library", () => {
  test("a load: the lowest MiB mapped, then the plan's segments, of x86_64", () => {
    const { status, stderr, log } = dom0(LOAD);
    expect([stderr, status]).toEqual(["", 0]);
    expectClosed(log);
    expect(log[1]).toMatch(/^load type=0 arch=62 entry=0x[0-9a-f]+ segments=4$/);
    expect(log[2]).toBe("segment buf=no size=0x0 dest=0x0+0x100000 fnv=cbf29ce484222325");
    expect(log.filter((line) => line.startsWith("segment buf=yes"))).toHaveLength(3);
  });

  test.each(["-s", "-a", "-c"])("%s is the same", (method) => {
    const { status, log } = dom0([method, ...LOAD]);
    expect(status).toBe(0);
    expect(log[1]).toMatch(/^load type=0 arch=62 /);
  });

  test("-d says what was decided, why, and what serves", () => {
    const { stderr } = dom0(["-d", ...LOAD]);
    for (const line of [
      "Xen, PV dom0",
      "/sys/hypervisor/guest_type: PV",
      "Xen's calls are made through libxenctrl.so.4.17",
      "Xen takes segments that were laid out here: -s and -a are as -c",
      "Which memory belongs to guests is not known: /dev/xen/privcmd: No such file or directory.",
    ]) {
      expect(stderr).toContain(`${line}\n`);
    }
  });

  test("where guests' memory is not known, everything lies as low as it can", () => {
    const { stderr } = dom0(["-d", ...LOAD]);
    expect(stderr).toMatch(/the kernel lies at 0x1000000, as low as it can/);
  });

  test("--print-ckr-size: an area of size 0 is none", () => {
    expect(dom0(["--print-ckr-size"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("-u and -S", () => {
    expect(dom0(["-u"])).toMatchObject({ status: 0, stderr: "" });
    expect(dom0(["-u"]).log).toEqual([
      "open stand-in",
      "unload type=0",
      "unload type=0",
      "close held=0",
    ]);
    const status = dom0(["-S", "-l"]);
    expect(status.status).toBe(0);
    expect(status.stderr).toStartWith("Xen says no. It only counts");
    expectClosed(status.log);
  });
});

describe("a library that is of no use", () => {
  test.each(REQUIRED)("lacks %s", (symbol) => {
    const path = join(directory, `without-${symbol}.so`);
    buildStandIn(path, { without: [symbol] });
    const { status, stderr, log } = dom0([`--xen-library=${path}`, ...LOAD]);
    expect(status).toBe(255);
    expect(stderr).toStartWith(LAYOUT);
    expect(stderr).toContain(`${path} is no libxenctrl of Xen 4.4 or later: it lacks ${symbol}\n`);
    expect(log).toEqual([]);
  });

  test("lacks xc_kexec_status: everything but the state works", () => {
    const path = join(directory, "without-status.so");
    buildStandIn(path, { without: ["xc_kexec_status"] });
    expect(dom0([`--xen-library=${path}`, ...LOAD])).toMatchObject({ status: 0, stderr: "" });
    const { status, stderr } = dom0([`--xen-library=${path}`, "-S", "-l"]);
    expect(status).toBe(255);
    expect(stderr).toBe("Whether an image is loaded is not known: this Xen does not tell.\n");
  });

  test("lacks a library that it needs itself", () => {
    const needed = join(directory, "libneeded.so");
    const path = join(directory, "needy.so");
    buildStandIn(needed, { soname: "libneeded.so" });
    buildStandIn(path, { flags: ["-Wl,--no-as-needed", needed] });
    rmSync(needed);
    const { status, stderr } = dom0([`--xen-library=${path}`, ...LOAD]);
    expect(status).toBe(255);
    expect(stderr).toContain(`${path} cannot be loaded: libneeded.so: cannot open shared object`);
  });

  test("is not there, and no other is tried", () => {
    const { status, stderr, log } = dom0(["--xen-library=/nonexistent.so", ...LOAD]);
    expect(status).toBe(255);
    expect(stderr).toContain("--xen-library: /nonexistent.so: cannot open shared object file");
    expect(log).toEqual([]);
  });

  test.each([
    [2, "No such file or directory"],
    [13, "Permission denied"],
  ])("xc_interface_open fails with error %p: the device is tried", (errno, text) => {
    const { status, stderr, log } = dom0(["-d", ...LOAD], { fail: `xc_interface_open:${errno}` });
    expect(status).toBe(255);
    expect(stderr).toContain(NO_PRIVCMD);
    expect(log).toEqual(["open stand-in"]);
    const named = dom0([`--xen-library=${LIBRARY}`, "-u"], { fail: `xc_interface_open:${errno}` });
    expect(named.stderr).toContain(`${LIBRARY}: xc_interface_open failed: ${text}\n`);
  });
});

describe("a call that fails", () => {
  const DUMP = /\nentry {7}= 0x[0-9a-f]+ flags = 0x3e0000\nnr_segments = 3\nsegment\[0\]\.buf /;

  test.each([
    ["xc_kexec_load:22", "Invalid argument"],
    ["xc_kexec_load:12", "Cannot allocate memory"],
    ["xc_kexec_load:99", "Cannot assign requested address"],
    ["xc_kexec_load:16", "Device or resource busy"],
    ["xc_kexec_load:1", "Operation not permitted"],
    ["xc_hypercall_buffer_array_create:12", "Cannot allocate memory"],
    ["xc__hypercall_buffer_array_alloc:12:0", "Cannot allocate memory"],
    ["xc__hypercall_buffer_array_alloc:12:1", "Cannot allocate memory"],
    ["xc__hypercall_buffer_array_alloc:12:2", "Cannot allocate memory"],
  ])("%s ends a load", (fail, text) => {
    const { status, stderr, log } = dom0(LOAD, { fail });
    expect(status).toBe(255);
    expect(stderr).toStartWith(`kexec_load failed: ${text}\n`);
    expect(stderr).toMatch(DUMP);
    expectClosed(log);
  });

  test("the memory map", () => {
    const { status, stderr, log } = dom0(LOAD, { fail: "xc_get_machine_memory_map:1" });
    expect(status).toBe(255);
    expect(stderr).toStartWith(
      "get_memory_ranges_xen: xc_get_machine_memory_map: Operation not permitted\n" +
        "Could not get memory layout\n",
    );
    expectClosed(log);
  });

  test.each([
    [["-u"], "xc_kexec_unload:16", "kexec unload failed: Device or resource busy\n"],
    [["-u"], "xc_kexec_unload:22", "kexec unload failed: Invalid argument\n"],
    [["--load-live-update", KERNEL], "xc_kexec_load:22", "kexec_load failed: Invalid argument\n"],
    [
      ["-x", "-y", "--exec-live-update"],
      "xc_kexec_status:22",
      "kexec failed: Invalid argument\nThis Xen has no live update",
    ],
  ])("%j with %s", (words, fail, message) => {
    const { status, stderr, log } = dom0(words, { fail });
    expect(status).toBe(255);
    expect(stderr).toStartWith(message);
    expectClosed(log);
  });

  test("what a load goes on without is a note", () => {
    const { status, stderr } = dom0(["-d", ...LOAD], { fail: "xc_version:1" });
    expect(status).toBe(0);
    expect(stderr).toContain("Xen does not tell its version: Operation not permitted.\n");
  });
});

describe("which library", () => {
  const many = join(directory, "many");
  const VERSIONS = [".4.4", ".4.17", ".4.21", ""] as const;
  beforeAll(() => {
    mkdirSync(many);
    for (const version of VERSIONS) {
      const soname = `libxenctrl.so${version}`;
      buildStandIn(join(many, soname), { name: soname, soname });
    }
  }, 60_000);

  test.each([
    ["4.4", "libxenctrl.so.4.4"],
    ["4.17", "libxenctrl.so.4.17"],
    ["4.21", "libxenctrl.so.4.21"],
  ])("Xen %s takes its own of four side by side", (version, name) => {
    expect(dom0(["-u"], { version, path: many }).log[0]).toBe(`open ${name}`);
  });

  /** The loader's cache, with these four in it and in place of this machine's. */
  const CACHE = `
printf '%s\\n' ${many} > /sys/conf && ldconfig -C /sys/cache -f /sys/conf
mount --bind /sys/cache /etc/ld.so.cache`;

  test.each([
    ["4.20", "libxenctrl.so.4.21"],
    ["", "libxenctrl.so.4.21"],
  ])("Xen %p takes the newest that the loader knows", (version, name) => {
    expect(dom0(["-u"], { version, path: "", before: CACHE }).log[0]).toBe(`open ${name}`);
  });

  test("--xen-library takes the one named, --xen-direct none", () => {
    const named = join(many, "libxenctrl.so.4.4");
    expect(dom0([`--xen-library=${named}`, "-u"]).log[0]).toBe("open libxenctrl.so.4.4");
    const direct = dom0(["--xen-direct", "-u"], { path: many });
    expect(direct.log).toEqual([]);
    expect(direct.stderr).toContain(NO_PRIVCMD);
  });

  test("none in the working directory or in /tmp is ever opened", () => {
    const hostile = join(directory, "hostile");
    mkdirSync(hostile);
    const names = ["libxenctrl.so", "libxenctrl.so.4.99", "libxenctrl.so.4.17"];
    for (const name of names) buildStandIn(join(hostile, name), { name: "hostile" });
    // Inside, /tmp is the hostile directory.
    const trace = join(hostile, "trace");
    const under = ["strace", "-f", "-o", "/tmp/trace", "-e", "trace=open,openat"];
    const before = `mount --bind ${hostile} /tmp && cd /tmp`;
    const ran = dom0(["-u"], { version: "4.99", path: "", cwd: hostile, under, before });
    expect(ran.status).toBe(255);
    const opens = readFileSync(trace, "latin1")
      .split("\n")
      .filter((line) => /xenctrl/.test(line));
    expect(opens.length).toBeGreaterThan(0);
    for (const line of opens) {
      const [, path = ""] = /"([^"]*)"/.exec(line) ?? [];
      expect(path).toStartWith("/");
      expect(path.startsWith("/tmp/") || path.startsWith(hostile)).toBe(false);
    }
  });
});

test("no library at all: the device, and which module makes it", () => {
  const { status, stderr } = dom0(LOAD, {
    path: "",
    before: "printf '' > /sys/none; mount --bind /sys/none /etc/ld.so.cache",
    version: "4.99",
  });
  expect(status).toBe(255);
  expect(stderr).toStartWith(LAYOUT);
  expect(stderr).toContain(`${NO_PRIVCMD} Try: modprobe xen-privcmd\n`);
});
