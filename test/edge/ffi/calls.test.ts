import { afterAll, expect, test } from "bun:test";
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { getrandom, ioctl, memfdCreate, seekableSize } from "../../../src/edge/ffi/device-calls.ts";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import { interfaceSocket, networkInterfaceNames } from "../../../src/edge/ffi/process-calls.ts";
import { removeScratch, runScript, scratch } from "../run-script.ts";

afterAll(removeScratch);

const { ESPIPE } = Errno;
const { ENOTTY, EBADF } = constants.errno;

test("ioctl returns minus the error number", () => {
  const fd = openSync("/dev/null", "r");
  expect(ioctl(fd, 0x5413, new Uint8Array(8))).toBe(-ENOTTY);
  closeSync(fd);
  expect(ioctl(-1, 0x5413, new Uint8Array(8))).toBe(-EBADF);
});

test("ioctl fills the structure: FIONREAD of a pipe's file", () => {
  const path = join(scratch(), "file");
  writeFileSync(path, "hello");
  const fd = openSync(path, "r");
  const count = new Uint8Array(4);
  expect(ioctl(fd, 0x541b, count)).toBe(0);
  expect(count).toEqual(new Uint8Array([5, 0, 0, 0]));
  closeSync(fd);
});

test("getrandom returns the requested number of bytes, different ones each time", () => {
  const [one, two] = [getrandom(32), getrandom(32)];
  expect(one?.length).toBe(32);
  expect(one).not.toEqual(two);
});

test("seekableSize returns a file's size and seeks back to its start", () => {
  const path = join(scratch(), "file");
  writeFileSync(path, "hello");
  const fd = openSync(path, "r");
  readSync(fd, new Uint8Array(2));
  expect(seekableSize(fd)).toBe(5);
  const first = new Uint8Array(1);
  readSync(fd, first, 0, 1, null);
  expect(first[0]).toBe(0x68);
  closeSync(fd);
});

test("seekableSize of a descriptor that cannot seek is minus the error number", () => {
  const ran = runScript(
    `import { seekableSize } from "@src/edge/ffi/device-calls.ts";
     console.log(seekableSize(1), seekableSize(-1));`,
  );
  expect(ran.stdout).toBe(`${-ESPIPE} ${-EBADF}\n`);
});

test("bytes written to a memory file can be read back", () => {
  const fd = memfdCreate("kernel");
  writeSync(fd, "hello");
  expect(seekableSize(fd)).toBe(5);
  closeSync(fd);
});

test("the loopback interface is among the names", () => {
  expect(networkInterfaceNames()).toContain("lo");
});

test("interfaceSocket opens a socket", () => {
  const fd = interfaceSocket();
  expect(fd).toBeGreaterThan(2);
  closeSync(fd);
});

test("execv runs the program with its arguments as bytes and default signal actions", () => {
  const ran = runScript(
    `import {
       execv, ignoreLeaseBreaks, restoreDefaultSignals,
     } from "@src/edge/ffi/process-calls.ts";
     ignoreLeaseBreaks();
     restoreDefaultSignals();
     const script = 'printf "%s|" "$0" "$@"; grep SigIgn /proc/self/status';
     execv("/bin/sh", ["sh", "-c", script, "zero", "", "b\\xe4r", "two words"]);`,
  );
  expect(ran.stdout).toBe("zero||b\xe4r|two words|SigIgn:\t0000000000000000\n");
});

test("execv returns minus the error number where there is no such program", () => {
  const ran = runScript(
    `import { execv } from "@src/edge/ffi/process-calls.ts";
     console.log(execv("/nonexistent/shutdown", ["shutdown"]), execv("/", ["shutdown"]));`,
  );
  expect(ran.stdout).toBe("-2 -13\n");
});
