/** Uses fake calls that record their arguments: the real ones would shut this machine down. */

import { describe, expect, test } from "bun:test";
import { constants } from "node:os";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import {
  execShutdown,
  type InterfaceCalls,
  interfacesToTakeDown,
  takeInterfacesDown,
} from "../../../src/edge/process/shutdown.ts";
import { refusal } from "../../kexec-error.ts";

const { ENOENT, EPERM } = Errno;
const { EMFILE } = constants.errno;
const UP = 0x1043;
const DOWN = 0x1002;
const GET = 0x8913;
const SET = 0x8914;

describe("execShutdown", () => {
  test("restores signals, then tries kexec-tools' three paths with its arguments", () => {
    const done: string[] = [];
    const error = refusal(() =>
      execShutdown({
        restoreDefaultSignals: () => done.push("signals"),
        execv(path, argv) {
          done.push(`${path}: ${argv.join(" ")}`);
          return -ENOENT;
        },
      }),
    );
    expect(done).toEqual([
      "signals",
      "/sbin/shutdown: shutdown -r now",
      "/etc/shutdown: shutdown -r now",
      "/bin/shutdown: shutdown -r now",
    ]);
    expect(error.message).toBe("shutdown: No such file or directory");
    expect(error.exitStatus).toBe(255);
  });
});

test.each([
  [
    ["lo", "eth0", "wlan0"],
    ["eth0", "wlan0"],
  ],
  [["eth0", "eth0:1", "lo"], ["eth0"]],
  [
    ["eth0", "shaper0", "lo", "shaper1"],
    ["shaper0", "shaper1", "eth0"],
  ],
  [
    ["lo0", "xlo"],
    ["lo0", "xlo"],
  ],
  [[], []],
])("interfacesToTakeDown(%p)", (names, order) => {
  expect(interfacesToTakeDown(names)).toEqual(order);
});

interface Recorded {
  readonly calls: InterfaceCalls;
  readonly done: string[];
}

const nameOf = (request: Uint8Array): string =>
  Buffer.from(request.subarray(0, 16)).toString("latin1").replace(/\0.*$/s, "");

/** Interfaces with their flags; `refuse` returns the error number of a call. */
function network(
  flags: Record<string, number>,
  refuse: (request: number, name: string) => number = () => 0,
): Recorded {
  const done: string[] = [];
  return {
    done,
    calls: {
      socket: () => 5,
      close: (fd) => done.push(`close ${fd}`),
      names: () => Object.keys(flags),
      ioctl(fd, request, argument) {
        expect(fd).toBe(5);
        expect(argument.length).toBe(40);
        const name = nameOf(argument);
        const errno = refuse(request, name);
        if (errno !== 0) return -errno;
        const view = new DataView(argument.buffer);
        if (request === GET) view.setUint16(16, flags[name] ?? 0, true);
        else done.push(`${name} ${view.getUint16(16, true).toString(16)}`);
        return 0;
      },
    },
  };
}

describe("takeInterfacesDown", () => {
  test("clears IFF_UP alone, on interfaces that are up, and closes the socket", () => {
    const { calls, done } = network({ lo: UP, eth0: UP, eth1: DOWN, eth2: 0x11043 & 0xffff });
    expect(takeInterfacesDown(calls)).toEqual([]);
    expect(done).toEqual(["eth0 1042", "eth2 1042", "close 5"]);
  });

  test("where one fails, the others are taken down", () => {
    const { calls, done } = network({ eth0: UP, eth1: UP, eth2: UP }, (request, name) =>
      (request === GET && name === "eth0") || (request === SET && name === "eth1") ? EPERM : 0,
    );
    expect(takeInterfacesDown(calls)).toEqual([
      "ifdown: shutdown eth0: Operation not permitted",
      "ifdown: shutdown eth1: Operation not permitted",
    ]);
    expect(done).toEqual(["eth2 1042", "close 5"]);
  });

  test("a name of 15 bytes is not cut, and names are bytes", () => {
    const { calls, done } = network({ abcdefghijklmno: UP, "b\xe4r": UP });
    takeInterfacesDown(calls);
    expect(done).toEqual(["abcdefghijklmno 1042", "b\xe4r 1042", "close 5"]);
  });

  test("without a socket no interface is queried", () => {
    const { calls, done } = network({ eth0: UP });
    expect(takeInterfacesDown({ ...calls, socket: () => -EMFILE })).toEqual([
      "ifdown: socket: Too many open files",
    ]);
    expect(done).toEqual([]);
  });

  test("where the names cannot be read, the socket is closed", () => {
    const { calls, done } = network({});
    expect(takeInterfacesDown({ ...calls, names: () => -EPERM })).toEqual([
      "ifdown: if_nameindex: Operation not permitted",
    ]);
    expect(done).toEqual(["close 5"]);
  });
});
