/** The package in each release of Debian that is supported, in the place of its kexec-tools. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyGuest, unmountAll } from "./guest-copy.ts";
import { madePackages } from "./made-packages.ts";
import { expectReplaces } from "./replacement.ts";

const MINUTES_10 = 600_000;
const work = mkdtempSync(join(tmpdir(), "onekexec-replacement-"));
let deb = "";
beforeAll(() => {
  deb = madePackages().deb;
}, MINUTES_10);
afterAll(() => {
  unmountAll();
  rmSync(work, { recursive: true, force: true, maxRetries: 3 });
});

describe("takes the place of kexec-tools and gives it back", () => {
  // kexec-tools' files are in /sbin in Debian 12, and in /usr/sbin from 13 on.
  test.each(["plain", "trixie"] as const)(
    "%s",
    (kind) => expectReplaces(copyGuest(join(work, kind), deb, kind)),
    MINUTES_10,
  );
});

test(
  "init scripts are called where something calls them",
  () => {
    const { root, inside } = copyGuest(join(work, "links"), deb, "trixie");
    const links = () =>
      readdirSync(join(root, "etc/rc6.d")).filter((name) => name.includes("kexec"));
    const generator = "/usr/lib/systemd/system-generators/systemd-sysv-generator";
    expect(existsSync(join(root, generator))).toBe(true);
    inside("dpkg", "-i", "/onekexec.deb");
    expect(links()).toHaveLength(2);
    // As from systemd 262 on.
    rmSync(join(root, generator));
    inside("dpkg", "-i", "/onekexec.deb");
    expect(links()).toEqual([]);
    // Another init does without systemd's generator.
    rmSync(join(root, "usr/sbin/init"));
    inside("dpkg", "-i", "/onekexec.deb");
    expect(links()).toHaveLength(2);
  },
  MINUTES_10,
);
