/** How Xen's calls are opened, and the reasons why libraries are not used. */

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

/** Libraries that are not among `libraries` are not found. */
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

describe("the order of attempts", () => {
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
    "ends at the first library that can be used: %s",
    (name) => {
      const access = accessOf({ [name]: library(name) }, DEVICE, CACHE);
      expect(openXen(LOOK, "4.17", access).calls.servedBy).toBe(name);
      expect(access.asked.at(-1)).toBe(name);
    },
  );

  test("is by the numbers in the names, whatever their digits, and however many there are", () => {
    const newest = ["4.21.10", "4.21.9", "4.21", "4.17", "4.9", "4", "3.99"];
    const others = newest.toSorted().map((version) => `/lib/libxenctrl.so.${version}`);
    const access = accessOf({}, DEVICE, others.join("\0"));
    openXen(LOOK, null, access);
    expect(access.asked.slice(1, 8)).toEqual(newest.map((version) => `libxenctrl.so.${version}`));
  });

  test("has no name with the running version where sysfs has no version", () => {
    const access = accessOf({}, DEVICE, CACHE);
    openXen(LOOK, null, access);
    expect(access.asked.slice(1, 3)).toEqual(["libxenctrl.so.4.21", "libxenctrl.so.4.4"]);
  });
});

describe("why a library was not used:", () => {
  test.each<[string, OpenedLibrary, string | RegExp]>([
    [
      "it is missing",
      { failure: "libxenctrl.so.4.17: cannot open shared object file: No such file or directory" },
      "libxenctrl.so.4.17: cannot open shared object file: No such file or directory",
    ],
    [
      "a library that it needs is missing",
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

  test("a library without xc_kexec_status is used", () => {
    const access = accessOf({ "libxenctrl.so": library("libxenctrl.so", ["xc_kexec_status"]) });
    expect(openXen(LOOK, null, access).calls.status(0)).toBe(-Errno.ENOSYS);
  });
});

describe("with an option", () => {
  test("--xen-library: that library, and nothing else is opened", () => {
    const access = accessOf({ "/opt/x.so": library("/opt/x.so") }, DEVICE, CACHE);
    const { calls, tried } = openXen({ library: "/opt/x.so", direct: false }, "4.17", access);
    expect([calls.servedBy, access.asked, tried]).toEqual([
      "/opt/x.so",
      ["/opt/x.so"],
      ["--xen-library was given"],
    ]);
  });

  test.each<[string, Readonly<Record<string, OpenedLibrary>>]>([
    ["is missing", {}],
    ["lacks a function", { "/opt/x.so": library("/opt/x.so", ["xc_kexec_exec"]) }],
    ["does not open its interface", { "/opt/x.so": library("/opt/x.so", [], 0n) }],
  ])("where the library of --xen-library %s, nothing else is tried", (_name, libraries) => {
    const access = accessOf({ ...libraries, "libxenctrl.so.4.17": library("4.17") });
    const error = xenUnavailable(() =>
      openXen({ library: "/opt/x.so", direct: false }, "4.17", access),
    );
    expect(access.asked).toEqual(["/opt/x.so"]);
    expect(error.message).toStartWith("--xen-library: /opt/x.so");
    expect(error.hint).toContain("Without --xen-library");
    expect(error.exitStatus).toBe(255);
  });

  test("--xen-direct: the device, even where there is a library", () => {
    const access = accessOf({ "libxenctrl.so.4.17": library("libxenctrl.so.4.17") });
    const { calls, tried } = openXen({ library: null, direct: true }, "4.17", access);
    expect([calls.servedBy, access.asked]).toEqual(["/dev/xen/privcmd", ["device"]]);
    expect(tried).toEqual(["--xen-direct was given: no library was tried"]);
  });
});

test.each([LOOK, { library: null, direct: true }])(
  "without library and device it throws: %j",
  (request) => {
    const error = xenUnavailable(() => openXen(request, "4.17", accessOf({}, NO_DEVICE)));
    expect(error.message).toBe("cannot open /dev/xen/privcmd: No such file or directory");
    expect(error.why).toBe("No such file or directory");
    expect(error.hint).toContain("modprobe xen-privcmd");
    expect(error.code).toBe("xen.open");
  },
);

describe("privcmdAdvice", () => {
  test.each(["EACCES", "EPERM"] as const)("%s: run as root", (error) => {
    expect(privcmdAdvice({ path: "/dev/xen/privcmd", errno: Errno[error] })).toBe(
      "Run kexec as root.",
    );
  });

  test("a missing device: load the kernel module", () => {
    expect(PRIVCMD_PATHS.some((path) => existsSync(path))).toBe(false);
    expect(privcmdAdvice(NO_DEVICE)).toBe(
      "There is no /dev/xen/privcmd: the module xen-privcmd creates it. Try: modprobe xen-privcmd",
    );
  });
});
