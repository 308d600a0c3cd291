/**
 * The built file in a simulated PV dom0, with stand-ins for libxenctrl: which library it opens, and
 * what it reports where the library cannot be used. ways.test.ts tests the calls through it.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strerror } from "../../src/edge/ffi/libc.ts";
import { pathsLookedUp } from "../built/paths-looked-up.ts";
import { documentedFailures, errorNumber } from "./documented-failures.ts";
import { type Circumstances, makeDom0, NO_CACHE, NO_LAYOUT, NO_PRIVCMD } from "./dom0.ts";
import { buildStandIn, REQUIRED } from "./stand-in.ts";

const dom0 = makeDom0();
beforeAll(dom0.build, 180_000);
afterAll(dom0.remove);

const { directory, libraries, library: LIBRARY } = dom0;
const LOAD = ["-l", "--append=quiet", dom0.kernel];

describe("a library that", () => {
  test.each(REQUIRED)("lacks %s", (symbol) => {
    const path = join(directory, `without-${symbol}.so`);
    buildStandIn(path, { without: [symbol] });
    const { status, stderr, log } = dom0.run([`--xen-library=${path}`, ...LOAD]);
    expect(status).toBe(255);
    expect(stderr).toStartWith(NO_LAYOUT);
    expect(stderr).toContain(`${path} is no libxenctrl of Xen 4.4 or later: it lacks ${symbol}\n`);
    expect(log).toEqual([]);
  });

  test("lacks xc_kexec_status: all calls but the status work", () => {
    const path = join(directory, "without-status.so");
    buildStandIn(path, { without: ["xc_kexec_status"] });
    expect(dom0.run([`--xen-library=${path}`, ...LOAD])).toMatchObject({ status: 0, stderr: "" });
    const { status, stderr } = dom0.run([`--xen-library=${path}`, "-S", "-l"]);
    expect(status).toBe(255);
    expect(stderr).toBe(
      "Xen does not report whether an image is loaded: this Xen has no status call.\n",
    );
  });

  test("needs a library that is missing", () => {
    const needed = join(directory, "libneeded.so");
    const path = join(directory, "needy.so");
    buildStandIn(needed, { soname: "libneeded.so" });
    buildStandIn(path, { flags: ["-Wl,--no-as-needed", needed] });
    rmSync(needed);
    const { status, stderr } = dom0.run([`--xen-library=${path}`, ...LOAD]);
    expect(status).toBe(255);
    expect(stderr).toContain(`${path} cannot be loaded: libneeded.so: cannot open shared object`);
  });

  test("is missing, by --xen-library: no other is tried", () => {
    const { status, stderr, log } = dom0.run(["--xen-library=/nonexistent.so", ...LOAD]);
    expect(status).toBe(255);
    expect(stderr).toContain("--xen-library: /nonexistent.so: cannot open shared object file");
    expect(log).toEqual([]);
  });

  test.each(documentedFailures().filter(([call]) => call === "xc_interface_open"))(
    "%s fails with %s: the device is tried, but not with --xen-library",
    (call, error) => {
      const errno = errorNumber(error);
      const fail = `${call}:${errno}`;
      const why = `xc_interface_open failed: ${strerror(errno)}\n`;
      const { status, stderr, log } = dom0.run(["-d", ...LOAD], { fail });
      expect(status).toBe(255);
      expect(stderr).toContain(NO_PRIVCMD);
      expect(log).toEqual(["open stand-in"]);
      const named = dom0.run([`--xen-library=${LIBRARY}`, "-u"], { fail });
      expect(named.status).toBe(255);
      expect(named.stderr).toStartWith(`kexec unload failed: ${LIBRARY}: ${why}`);
      const device = dom0.run(["-d", ...LOAD], {
        ...{ way: "memory", path: libraries, version: "4.17", fail },
      });
      expect(device.status).toBe(0);
      expect(device.stderr).toContain(`libxenctrl.so.4.17: ${why}`);
      expect(device.stderr).toContain("hypercalls go through /dev/xen/privcmd\n");
      expect(device.log).toContain("close held=0 loaded=1");
    },
  );

  test.each([
    ["xc_kexec_load", LOAD, "kexec_load failed:"],
    ["xc_hypercall_buffer_array_create", LOAD, "kexec_load failed:"],
    ["xc__hypercall_buffer_array_alloc", LOAD, "kexec_load failed:"],
    ["xc_kexec_unload", ["-u"], "kexec unload failed:"],
    ["xc_get_machine_memory_map", LOAD, "get_memory_ranges_xen: xc_get_machine_memory_map:"],
    ["xc_interface_open", [`--xen-library=${LIBRARY}`, "-u"], "kexec unload failed: "],
  ])("%s fails without errno: an input/output error", (call, words, message) => {
    const { failed, status, stderr } = dom0.run(words, { fail: `${call}:0` });
    expect([failed, status]).toEqual([true, 255]);
    expect(stderr).toStartWith(message);
    expect(stderr.split("\n")[0]).toEndWith(" Input/output error");
  });
});

describe("the choice of the library", () => {
  const many = join(directory, "many");
  const VERSIONS = [".4.4", ".4.17", ".4.21", ""] as const;
  beforeAll(() => {
    mkdirSync(many);
    for (const version of VERSIONS) {
      const soname = `libxenctrl.so${version}`;
      buildStandIn(join(many, soname), { name: soname, soname });
    }
  }, 180_000);

  test.each([
    ["4.4", "libxenctrl.so.4.4"],
    ["4.17", "libxenctrl.so.4.17"],
    ["4.21", "libxenctrl.so.4.21"],
  ])("Xen %s: the library of its version, of four installed ones", (version, name) => {
    expect(dom0.run(["-u"], { version, path: many }).log[0]).toBe(`open ${name}`);
  });

  /** Mounts a loader's cache with these four libraries over this machine's. */
  const CACHE = `
printf '%s\\n' ${many} > /sys/conf && ldconfig -C /sys/cache -f /sys/conf
mount --bind /sys/cache /etc/ld.so.cache`;

  test.each([
    ["4.20", "libxenctrl.so.4.21"],
    ["", "libxenctrl.so.4.21"],
  ])("Xen version %p: the newest library in the loader's cache", (version, name) => {
    expect(dom0.run(["-u"], { version, path: "", before: CACHE }).log[0]).toBe(`open ${name}`);
  });

  test("Xen 4.20 and an empty cache: the library without a version", () => {
    const { log } = dom0.run(["-u"], { version: "4.20", path: many, before: NO_CACHE });
    expect(log[0]).toBe("open libxenctrl.so");
  });

  test("--xen-library opens that library, --xen-direct none", () => {
    const named = join(many, "libxenctrl.so.4.4");
    expect(dom0.run([`--xen-library=${named}`, "-u"]).log[0]).toBe("open libxenctrl.so.4.4");
    const direct = dom0.run(["--xen-direct", "-u"], { path: many });
    expect(direct.log).toEqual([]);
    expect(direct.stderr).toContain(NO_PRIVCMD);
  });
});

describe("hostile libraries in the working directory, which is /tmp", () => {
  const hostile = join(directory, "hostile");
  const before = `mount --bind ${hostile} /tmp && cd /tmp`;
  const trap = { before, cwd: hostile, version: "4.99" };
  beforeAll(() => {
    mkdirSync(hostile);
    for (const name of ["libxenctrl.so", "libxenctrl.so.4.99", "libxenctrl.so.4.17"]) {
      buildStandIn(join(hostile, name), { name: "hostile" });
    }
  }, 180_000);

  test("would log their own name if they were opened", () => {
    const { log } = dom0.run(["--xen-library=/tmp/libxenctrl.so.4.99", "-u"], trap);
    expect(log[0]).toBe("open hostile");
  });

  test.each<[string, Circumstances, string[]]>([
    ["where there is no other library", { path: "" }, []],
    ["where the system has one", { version: "4.17" }, ["open stand-in"]],
    ["where the device is used", { way: "memory" }, []],
  ])("are never opened %s", (_name, circumstances, opened) => {
    const under = ["strace", "-f", "-o", "/tmp/trace", "-e", "trace=%file"];
    const { log, stderr } = dom0.run(["-u"], { ...trap, ...circumstances, under });
    expect(stderr).not.toContain("hostile");
    expect(log.filter((line) => line.startsWith("open "))).toEqual(opened);
    const paths = pathsLookedUp(join(hostile, "trace"));
    expect(paths.filter((path) => path.endsWith("/libxenctrl.so.4.99")).length).toBeGreaterThan(
      opened.length === 0 ? 0 : -1,
    );
    expect(paths.filter((path) => /^\/tmp\/|^[^/]/.test(path))).toEqual([]);
    expect(paths.filter((path) => path.startsWith(hostile))).toEqual([]);
  });
});

test("an initrd is copied, not mapped under a lease", () => {
  const [initrd, trace] = [join(directory, "initrd"), join(directory, "lease-trace")];
  writeFileSync(initrd, new Uint8Array(1 << 20).fill(7));
  const under = ["strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace=fcntl,read,pread64"];
  const { status, stderr, log } = dom0.run(["-l", `--initrd=${initrd}`, dom0.kernel], { under });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(log.some((line) => line.startsWith("load "))).toBe(true);
  const calls = readFileSync(trace, "latin1");
  expect(calls).toMatch(/ p?read(?:64)?\(\d+<[^>]*\/initrd>/);
  expect(calls).not.toContain("LEASE");
});

test("without library and device the hint names the kernel module", () => {
  const { status, stderr } = dom0.run(LOAD, {
    path: "",
    before: NO_CACHE,
    version: "4.99",
  });
  expect(status).toBe(255);
  expect(stderr).toStartWith(NO_LAYOUT);
  expect(stderr).toContain(`${NO_PRIVCMD} Try: modprobe xen-privcmd\n`);
});
