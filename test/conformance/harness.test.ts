/** The harness itself: its second fence, and how it reads strace's words. */

import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runKexec } from "./harness.ts";
import { readLog, unquote } from "./strace-log.ts";

const folder = mkdtempSync(join(tmpdir(), "onekexec-fence-"));
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Tries what a kexec that went wrong could try, in a way that does nothing without a fence either:
 * reboot with numbers that the kernel refuses, an ioctl that only asks, and /bin/true. It prints
 * the error numbers, and the network interfaces that there are.
 */
const TRIES = `#!/usr/bin/perl
sub tried { print "$_[0] ", ($_[1] ? "done" : $! + 0), "\\n"; }
tried("reboot", syscall(169, 0, 0, 0, 0) == 0);
tried("ioctl", ioctl(STDIN, 0x5401, my $answer = "\\0" x 64));
tried("child", system("/bin/true") == 0);
open(DEV, "/proc/self/net/dev"); print join(" ", map { /^ *(\\w+):/ } <DEV>), "\\n";
exec("/bin/true"); tried("exec", 0);
`;

describe("the second fence", () => {
  test("no reboot, no ioctl, no other program, no network", async () => {
    const program = join(folder, "tries");
    writeFileSync(program, TRIES, { mode: 0o755 });
    const { stdout, calls } = await runKexec(program, ["-u"]);
    expect(stdout.split("\n")).toEqual(["reboot 1", "ioctl 25", "child 13", "lo", "exec 13", ""]);
    expect(calls.filter(({ name }) => name === "reboot").length).toBe(1);
  });
});

describe("strace's words", () => {
  test("a text with every kind of escape", () => {
    expect(unquote('"a\\n\\t\\v\\f\\r\\"\\\\\\0\\3031\\377"')).toBe('a\n\t\v\f\r"\\\0\xc31\xff');
  });

  test("a text that was cut short is an error", () => {
    expect(() => unquote('"abc"...')).toThrow("cut a text short");
  });

  test("the two calls that load", () => {
    const [segments, files, unload] = readLog(
      [
        '1 execve("/kexec", ["kexec"], []) = 0',
        "7 kexec_load(0x1000, 1, [{buf=0x7f00, bufsz=3, mem=0x1000, memsz=4096}], 0x3e0000|0x1) = 0 (INJECTED)",
        '7 kexec_file_load(3</a b, c>, 4</memfd:initrd>(deleted), 3, "x\\"\\0", 0x4) = -1 EPERM (Operation not permitted) (INJECTED)',
        "7 kexec_load(NULL, 0, NULL, 0x3e0000) = 0 (INJECTED)",
      ].join("\n"),
    );
    expect(segments).toEqual({
      name: "kexec_load",
      entry: 0x1000n,
      segments: [{ buf: 0x7f00n, bufsz: 3n, mem: 0x1000n, memsz: 4096n }],
      flags: 0x3e0001n,
      result: "0",
    });
    expect(files).toEqual({
      name: "kexec_file_load",
      kernel: "/a b, c",
      initrd: "/memfd:initrd",
      commandLine: 'x"\0',
      length: 3,
      flags: 4n,
      result: "-1 EPERM",
    });
    expect(unload).toMatchObject({ entry: 0n, segments: [], flags: 0x3e0000n });
  });

  test("halves of a call with other threads' lines between them", () => {
    const calls = readLog(
      [
        "7 sync( <unfinished ...>",
        "8 ioctl(0, 0x5401, 0x7ffd) = -1 ENOTTY (Inappropriate ioctl for device) (INJECTED)",
        "9 --- SIGSTOP {si_signo=SIGSTOP} ---",
        "7 <... sync resumed>) = 0",
        "8 ???( <detached ...>",
        "9 +++ exited with 0 +++",
      ].join("\n"),
    );
    expect(calls).toEqual([{ name: "sync", result: "0" }]);
  });

  test("what is not understood is an error", () => {
    expect(() => readLog("7 kexec_load(0x1000, 2, [{buf=0}], 0) = 0")).toThrow("kexec_load(");
    expect(() => readLog("7 open(1) = 0")).toThrow("strace wrote");
    expect(() => readLog("something else")).toThrow("strace wrote");
  });
});
