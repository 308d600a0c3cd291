/** What the file asks of the machine, and that it is whole. */

import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { KEXEC, run } from "./built-file.ts";

/** The last glibc without these, 2.16, is of 2012. */
const NEWEST_GLIBC = [2, 17] as const;

/** By architecture of the test's machine, which is that of the file. */
const LOADERS: Readonly<Record<string, string>> = {
  x64: "ld-linux-x86-64.so.2",
  arm64: "ld-linux-aarch64.so.1",
};

describe("libraries", () => {
  const { stdout } = run(["readelf", "-W", "-d", KEXEC]);

  test("are five, all of glibc", () => {
    const needed = [...stdout.matchAll(/\(NEEDED\) .*\[(.*)\]/g)].map(([, name]) => name);
    expect(needed.sort()).toEqual(
      ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", LOADERS[process.arch]].sort(),
    );
  });

  test("are looked up in the system's directories only", () => {
    expect(stdout).toContain("(NEEDED)");
    expect(stdout).not.toMatch(/R(UN)?PATH/);
  });

  test(`need no glibc newer than ${NEWEST_GLIBC.join(".")}`, () => {
    const symbols = run(["objdump", "-T", KEXEC]).stdout;
    const versions = [...symbols.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
      Number(major),
      Number(minor),
    ]);
    expect(versions.length).toBeGreaterThan(100);
    const [major, minor] = NEWEST_GLIBC;
    const newer = versions.filter(([a = 0, b = 0]) => a > major || (a === major && b > minor));
    expect(newer).toEqual([]);
  });
});

test("no set-user-ID, and writable by its owner alone", () => {
  expect(statSync(KEXEC).mode & 0o6022).toBe(0);
});
