/** The tarball, unpacked over the roots of systems whose folders are links in different ways. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { mustRun } from "./guest-copy.ts";
import { madePackages } from "./made-packages.ts";

const MINUTES_10 = 600_000;
const work = mkdtempSync(join(tmpdir(), "onekexec-tarball-"));
let tarball = "";
beforeAll(() => {
  tarball = madePackages().tarball;
}, MINUTES_10);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Path → where a link leads to, `null` for a folder that has to exist. */
const ROOTS: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  "a merged /usr": {
    "usr/bin": null,
    "usr/sbin": null,
    "usr/lib": null,
    bin: "usr/bin",
    sbin: "usr/sbin",
    lib: "usr/lib",
  },
  "a /usr apart": { "usr/bin": null, "usr/sbin": null, bin: null, sbin: null, lib: null },
  "a merged /usr/sbin": {
    "usr/bin": null,
    "usr/lib": null,
    "usr/sbin": "bin",
    bin: "usr/bin",
    sbin: "usr/bin",
    lib: "usr/lib",
  },
};
/** What every system has in these. */
const FILES = ["sbin/init", "bin/sh", "lib/libc.so.6", "usr/sbin/ldconfig", "etc/passwd"];

/** Each path below `root`, with what it is: a link's target, a file's text, a folder. */
function snapshot(root: string): Record<string, string> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  const rows = entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const what = entry.isSymbolicLink()
      ? `-> ${readlinkSync(path)}`
      : entry.isDirectory()
        ? "folder"
        : `${Bun.hash(readFileSync(path))}`;
    return [path.slice(root.length), what] as const;
  });
  return Object.fromEntries(rows);
}

test("has files and links alone, all below usr/ and root's", () => {
  const names = mustRun("tar", "-tf", tarball).trim().split("\n");
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !name.startsWith("usr/") || name.endsWith("/"))).toEqual([]);
  const rows = mustRun("tar", "-tvf", tarball).trim().split("\n");
  expect(rows.filter((row) => !/^[-l]\S+ root\/root /.test(row))).toEqual([]);
});

describe("leaves everything that was there as it was, and works, over", () => {
  test.each(Object.entries(ROOTS))("%s", (name, layout) => {
    const root = join(work, name.replaceAll(/\W/g, "-"));
    for (const [path, target] of Object.entries(layout)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      if (target === null) mkdirSync(join(root, path), { recursive: true });
      else symlinkSync(target, join(root, path));
    }
    mkdirSync(join(root, "etc"));
    for (const path of FILES) writeFileSync(join(root, path), path);
    const before = snapshot(root);
    mustRun("tar", "-C", root, "-xf", tarball);
    expect(snapshot(root)).toMatchObject(before);
    expect(mustRun(join(root, "usr/sbin/kexec"), "-v")).toContain("(onekexec ");
  });
});
