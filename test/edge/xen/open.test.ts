/** Which way to Xen is taken, and what is said of those that were not. */

import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import type { Functions, Library, OpenedLibrary } from "../../../src/edge/ffi/library.ts";
import {
  openXen,
  privcmdAdvice,
  type XenAccess,
  XenUnavailable,
} from "../../../src/edge/xen/open.ts";
import { type NoPrivcmd, PRIVCMD_PATHS, type Privcmd } from "../../../src/edge/xen/privcmd.ts";
import { refusal } from "../../kexec-error.ts";

/** A library that lacks `missing`; its interface opens where `handle` is not 0. */
function library(name: string, missing: readonly string[] = [], handle = 1n): Library {
  const has = (symbol: string) => !missing.includes(symbol);
  return {
    name,
    has,
    address: (symbol) => (has(symbol) ? 0x1000n : null),
    functions: <const P extends Parameters<Library["functions"]>[0]>(prototypes: P) =>
      Object.fromEntries(Object.keys(prototypes).map((key) => [key, () => handle])) as Functions<P>,
  };
}

const DEVICE: Privcmd = {
  path: "/dev/xen/privcmd",
  hypercall: () => 0,
  allocate: () => -Errno.ENOMEM,
  readFrames: () => -Errno.EINVAL,
  close: () => {},
};
const NO_DEVICE: NoPrivcmd = { path: "/dev/xen/privcmd", errno: Errno.ENOENT };

interface Access extends XenAccess {
  readonly asked: string[];
}

/** What is not among `libraries` is not found. */
function accessOf(
  libraries: Readonly<Record<string, OpenedLibrary>>,
  device: Privcmd | NoPrivcmd = DEVICE,
  cache: string | null = null,
): Access {
  const asked: string[] = [];
  return {
    asked,
    openLibrary(name) {
      asked.push(name);
      return libraries[name] ?? { failure: `${name}: cannot open shared object file` };
    },
    openPrivcmd() {
      asked.push("device");
      return device;
    },
    loaderCache() {
      asked.push("cache");
      return cache;
    },
  };
}

const LOOK = { library: null, direct: false };
const CACHE = "x\0/lib/libxenctrl.so.4.4\0/lib/libxenctrl.so.4.21\0";

function xenUnavailable(open: () => unknown): XenUnavailable {
  const error = refusal(open);
  if (error instanceof XenUnavailable) return error;
  throw error;
}

describe("the order", () => {
  test("is the running version, the loader's newest first, the bare name, the device", () => {
    const access = accessOf({}, DEVICE, CACHE);
    const { calls, tried } = openXen(LOOK, "4.17", access);
    expect(access.asked).toEqual([
      "cache",
      "libxenctrl.so.4.17",
      "libxenctrl.so.4.21",
      "libxenctrl.so.4.4",
      "libxenctrl.so",
      "device",
    ]);
    expect(calls.servedBy).toBe("/dev/xen/privcmd");
    expect(tried).toHaveLength(4);
  });

  test.each(["libxenctrl.so.4.17", "libxenctrl.so.4.21", "libxenctrl.so.4.4", "libxenctrl.so"])(
    "ends at the first that is of use: %s",
    (name) => {
      const access = accessOf({ [name]: library(name) }, DEVICE, CACHE);
      expect(openXen(LOOK, "4.17", access).calls.servedBy).toBe(name);
      expect(access.asked.at(-1)).toBe(name);
    },
  );

  test("is without a version of its own where sysfs tells none", () => {
    const access = accessOf({}, DEVICE, CACHE);
    openXen(LOOK, null, access);
    expect(access.asked.slice(1, 3)).toEqual(["libxenctrl.so.4.21", "libxenctrl.so.4.4"]);
  });
});

describe("why a library was passed over", () => {
  test.each<[string, OpenedLibrary, string | RegExp]>([
    [
      "it is not there",
      { failure: "libxenctrl.so.4.17: cannot open shared object file: No such file or directory" },
      "libxenctrl.so.4.17: cannot open shared object file: No such file or directory",
    ],
    [
      "what it needs is not there",
      { failure: "libxencall.so.1: cannot open shared object file: No such file or directory" },
      "libxenctrl.so.4.17 cannot be loaded: libxencall.so.1: cannot open shared object file: " +
        "No such file or directory",
    ],
    [
      "it lacks two functions",
      library("libxenctrl.so.4.17", ["xc_kexec_load", "xc_version"]),
      "libxenctrl.so.4.17 is no libxenctrl of Xen 4.4 or later: " +
        "it lacks xc_version, xc_kexec_load",
    ],
    [
      "its interface does not open",
      library("libxenctrl.so.4.17", [], 0n),
      /^libxenctrl\.so\.4\.17: xc_interface_open failed: ./,
    ],
  ])("%s", (_name, opened, reason) => {
    const access = accessOf({ "libxenctrl.so.4.17": opened, "libxenctrl.so": library("bare") });
    const { calls, tried } = openXen(LOOK, "4.17", access);
    expect(calls.servedBy).toBe("bare");
    expect(tried).toHaveLength(1);
    expect(tried[0]).toMatch(reason);
  });

  test("the state alone may be missing", () => {
    const access = accessOf({ "libxenctrl.so": library("libxenctrl.so", ["xc_kexec_status"]) });
    expect(openXen(LOOK, null, access).calls.status(0)).toBe(-Errno.ENOSYS);
  });
});

describe("what the user chose", () => {
  test("--xen-library: that one, and nothing else is asked", () => {
    const access = accessOf({ "/opt/x.so": library("/opt/x.so") }, DEVICE, CACHE);
    const { calls, tried } = openXen({ library: "/opt/x.so", direct: false }, "4.17", access);
    expect([calls.servedBy, access.asked, tried]).toEqual([
      "/opt/x.so",
      ["/opt/x.so"],
      ["--xen-library was given"],
    ]);
  });

  test.each<[string, Readonly<Record<string, OpenedLibrary>>]>([
    ["is not there", {}],
    ["lacks a function", { "/opt/x.so": library("/opt/x.so", ["xc_kexec_exec"]) }],
    ["does not open its interface", { "/opt/x.so": library("/opt/x.so", [], 0n) }],
  ])("--xen-library that %s is no reason to take another way", (_name, libraries) => {
    const access = accessOf({ ...libraries, "libxenctrl.so.4.17": library("4.17") });
    const error = xenUnavailable(() =>
      openXen({ library: "/opt/x.so", direct: false }, "4.17", access),
    );
    expect(access.asked).toEqual(["/opt/x.so"]);
    expect(error.message).toStartWith("--xen-library: /opt/x.so");
    expect(error.hint).toContain("Without --xen-library");
    expect(error.exitStatus).toBe(255);
  });

  test("--xen-direct: the device, though there is a library", () => {
    const access = accessOf({ "libxenctrl.so.4.17": library("libxenctrl.so.4.17") });
    const { calls, tried } = openXen({ library: null, direct: true }, "4.17", access);
    expect([calls.servedBy, access.asked]).toEqual(["/dev/xen/privcmd", ["device"]]);
    expect(tried).toEqual(["--xen-direct was given: no library was tried"]);
  });
});

test.each([LOOK, { library: null, direct: true }])(
  "without device there is none: %j",
  (request) => {
    const error = xenUnavailable(() => openXen(request, "4.17", accessOf({}, NO_DEVICE)));
    expect(error.message).toBe("cannot open /dev/xen/privcmd: No such file or directory");
    expect(error.why).toBe("No such file or directory");
    expect(error.hint).toContain("modprobe xen-privcmd");
    expect(error.code).toBe("xen.open");
  },
);

describe("privcmdAdvice", () => {
  test.each(["EACCES", "EPERM"] as const)("%s: be root", (error) => {
    expect(privcmdAdvice({ path: "/dev/xen/privcmd", errno: Errno[error] })).toBe(
      "Run kexec as root.",
    );
  });

  test("a device that is missing comes with a module", () => {
    expect(PRIVCMD_PATHS.some((path) => existsSync(path))).toBe(false);
    expect(privcmdAdvice(NO_DEVICE)).toBe(
      "There is no /dev/xen/privcmd: the module xen-privcmd makes it. Try: modprobe xen-privcmd",
    );
  });
});
