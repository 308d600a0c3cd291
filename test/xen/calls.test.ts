/**
 * Xen's calls through a stand-in for libxenctrl and through a fake privcmd device. Both pass the
 * same tests: a call that fails returns the error number, and all memory that it allocated is
 * freed.
 */

import { FFIType } from "bun:ffi";
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Errno } from "../../src/edge/ffi/errno.ts";
import { openLibrary } from "../../src/edge/ffi/library.ts";
import { addressOf, cString, textAt } from "../../src/edge/ffi/pointer.ts";
import type { XenCalls, XenLoad } from "../../src/edge/xen/calls.ts";
import { xenDirect } from "../../src/edge/xen/hypercalls.ts";
import { openXenctrl } from "../../src/edge/xen/libxenctrl.ts";
import { fakePrivcmd } from "./fake-privcmd.ts";
import { buildStandIn } from "./stand-in.ts";

/** The control interface of both. */
interface Server {
  readonly calls: XenCalls;
  /** Makes the `nth` call of `operation`, from 0, fail with `errno`. */
  fail(operation: Operation, errno: number, nth?: number): void;
  log(): readonly string[];
  /** Number of allocations and open interfaces. */
  held(): number;
}

type Operation =
  | "version"
  | "memory map"
  | "range"
  | "load"
  | "unload"
  | "status"
  | "exec"
  | "segment memory";

const directory = mkdtempSync(join(tmpdir(), "onekexec-stand-in-"));
afterAll(() => rmSync(directory, { recursive: true }));

const XENCTRL_NAMES: Readonly<Record<Operation, string>> = {
  version: "xc_version",
  "memory map": "xc_get_machine_memory_map",
  range: "xc_kexec_get_range",
  load: "xc_kexec_load",
  unload: "xc_kexec_unload",
  status: "xc_kexec_status",
  exec: "xc_kexec_exec",
  "segment memory": "xc__hypercall_buffer_array_alloc",
};

function xenctrlServer(): Server {
  const path = join(directory, "libxenctrl.so.4.17");
  if (!existsSync(path)) buildStandIn(path);
  const library = openLibrary(path);
  if ("failure" in library) throw new Error(library.failure);
  const control = library.functions({
    stand_in_fail: { args: [FFIType.u64], returns: FFIType.void },
    stand_in_log: { args: [], returns: FFIType.ptr },
    stand_in_held: { args: [], returns: FFIType.i32 },
  });
  const tell = (text: string) => control.stand_in_fail(addressOf(cString(text)));
  tell("");
  const calls = openXenctrl(library);
  if (typeof calls === "number") throw new Error(`error ${calls}`);
  tell("");
  return {
    calls,
    fail: (operation, errno, nth = 0) => tell(`${XENCTRL_NAMES[operation]}:${errno}:${nth}`),
    log() {
      const text = control.stand_in_log();
      return typeof text === "number" ? textAt(text).split("\n").filter(Boolean) : [];
    },
    held: () => control.stand_in_held(),
  };
}

function directServer(): Server {
  const privcmd = fakePrivcmd();
  return { ...privcmd, calls: xenDirect(privcmd.device) };
}

const LOAD: XenLoad = {
  type: 1,
  arch: 0x1234,
  entryMaddr: 0x7fffffff1000n,
  segments: [
    { bytes: new Uint8Array(0), destMaddr: 0n, destSize: 0x100000n },
    { bytes: Uint8Array.of(1, 2, 3), destMaddr: 0x100000n, destSize: 0x1000n },
    { bytes: new Uint8Array(5000).fill(7), destMaddr: 0x200000n, destSize: 0x2000n },
  ],
};
const LOAD_LOG = [
  "load type=1 arch=4660 entry=0x7fffffff1000 segments=3",
  "segment buf=no size=0x0 dest=0x0+0x100000 fnv=cbf29ce484222325",
  "segment buf=yes size=0x3 dest=0x100000+0x1000 fnv=d0aa6218672cf5ab",
  "segment buf=yes size=0x1388 dest=0x200000+0x2000 fnv=d4f2745412df8f0d",
];
const { EINVAL, ENOMEM, EPERM } = Errno;
/** The errors of Xen's kexec hypercalls. */
const ERRORS = [
  ...(["EPERM", "ENOENT", "ENOMEM", "EFAULT", "EBUSY", "EINVAL", "ENOSYS"] as const),
  "EADDRNOTAVAIL",
] as const;

const SERVERS = [
  ["libxenctrl", xenctrlServer],
  ["the device", directServer],
] as const;

/** Runs `body`, and checks that it frees all memory, and that `close` closes the interface. */
function serveWith(makeServer: () => Server, body: (server: Server) => void): void {
  const server = makeServer();
  const before = server.held();
  body(server);
  expect(server.held()).toBe(before);
  server.calls.close();
  expect(server.held()).toBe(before - 1);
}

describe.each(SERVERS)("a load through %s", (_name, makeServer) => {
  const serve = (body: (server: Server) => void) => serveWith(makeServer, body);

  test("load passes all numbers and bytes to Xen", () =>
    serve(({ calls, log }) => {
      expect(calls.load(LOAD)).toEqual({ kind: "loaded" });
      expect(log()).toEqual(LOAD_LOG);
    }));

  test.each(ERRORS)("load refused with %s", (error) =>
    serve(({ calls, fail }) => {
      const errno = Errno[error];
      fail("load", errno);
      expect(calls.load(LOAD)).toEqual({ kind: "refused", errno });
      expect(calls.status(1)).toBe(0);
    }),
  );

  test.each([
    ["first", 0, 1],
    ["second", 1, 2],
  ])("no memory for the buffer of the %s segment that has bytes", (_, nth, segment) =>
    serve(({ calls, fail, log }) => {
      fail("segment memory", ENOMEM, nth);
      expect(calls.load(LOAD)).toEqual({ kind: "no-memory", errno: ENOMEM, segment });
      expect(log()).toEqual([]);
      expect(calls.status(1)).toBe(0);
    }),
  );
});

describe.each(SERVERS)("other calls through %s", (_name, makeServer) => {
  const serve = (body: (server: Server) => void) => serveWith(makeServer, body);

  test("unload, status and exec pass the type of image", () =>
    serve(({ calls, log }) => {
      expect([calls.status(0), calls.unload(0), calls.status(0), calls.status(1)]).toEqual([
        0, 0, 1, 0,
      ]);
      expect(calls.exec(2)).toBe(0);
      expect(log()).toEqual(["unload type=0", "exec type=2"]);
    }));

  test.each(
    (["unload", "status", "exec"] as const).flatMap((name) =>
      ERRORS.map((error) => [name, error] as const),
    ),
  )("%s refused with %s", (name, error) =>
    serve(({ calls, fail }) => {
      const errno = Errno[error];
      fail(name, errno);
      expect(calls[name](0)).toBe(-errno);
    }),
  );

  test("version and capabilities are read as texts", () =>
    serve(({ calls }) => {
      expect(calls.version()).toBe("4.17.7");
      expect(calls.capabilities()).toBe("xen-3.0-x86_64 hvm-3.0-x86_32 ");
    }));

  test("the memory map has entries of 20 bytes", () =>
    serve(({ calls }) => {
      const map = calls.machineMemoryMap();
      if (typeof map === "number") throw new Error(String(map));
      expect(map.length).toBe(60);
      expect(new DataView(map.buffer, map.byteOffset).getBigUint64(48, true)).toBe(0x7fee0000n);
    }));

  test("getRange returns a range, a range of size 0, and an error", () =>
    serve(({ calls }) => {
      expect(calls.getRange(1, 0)).toEqual({ start: 0x7fa00000n, size: 0x3a6140n });
      expect(calls.getRange(0, 0)).toEqual({ start: 0n, size: 0n });
      expect(calls.getRange(2, 0)).toBe(-EINVAL);
    }));

  test.each([
    ["version", (calls: XenCalls) => calls.version()],
    ["version", (calls: XenCalls) => calls.capabilities()],
    ["memory map", (calls: XenCalls) => calls.machineMemoryMap()],
    ["range", (calls: XenCalls) => calls.getRange(0, 0)],
  ] as const)("%s refused", (operation, ask) =>
    serve(({ calls, fail }) => {
      fail(operation, EPERM);
      expect(ask(calls)).toBe(-EPERM);
    }),
  );
});

test("through the device, calls without memory return ENOMEM and free what they allocated", () => {
  const privcmd = fakePrivcmd();
  const calls = xenDirect(privcmd.device);
  for (const ask of [
    () => calls.unload(0),
    () => calls.status(0),
    () => calls.exec(0),
    () => calls.capabilities(),
    () => calls.machineMemoryMap(),
    () => calls.getRange(0, 0),
  ]) {
    privcmd.failAllocation(0);
    expect(ask()).toBe(-ENOMEM);
    expect(privcmd.held()).toBe(1);
  }
  for (const [nth, segment] of [
    [0, null],
    [1, 1],
    [2, 2],
    [3, null],
  ] as const) {
    privcmd.failAllocation(nth);
    expect(calls.load(LOAD)).toEqual({ kind: "no-memory", errno: ENOMEM, segment });
    expect(privcmd.held()).toBe(1);
  }
});
