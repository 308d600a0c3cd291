/**
 * The package in Debian's sid, with the dracut and the lintian that are there today. It runs only
 * when it is named (`bun scripts/test.ts sid`): sid changes from day to day.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyGuest, type GuestCopy, unmountAll } from "./guest-copy.ts";
import { madePackages } from "./made-packages.ts";
import { expectInDracutImage, expectReplaces } from "./replacement.ts";

const MINUTES_10 = 600_000;
const work = mkdtempSync(join(tmpdir(), "onekexec-sid-"));
let guest: GuestCopy;
beforeAll(() => {
  guest = copyGuest(join(work, "sid"), madePackages().deb, "sid");
}, MINUTES_10);
afterAll(() => {
  unmountAll();
  rmSync(work, { recursive: true, force: true, maxRetries: 3 });
});

test("takes the place of kexec-tools and gives it back", () => expectReplaces(guest), MINUTES_10);

test(
  "no init script is enabled, as none is called",
  () => {
    guest.inside("dpkg", "-i", "/onekexec.deb");
    const links = readdirSync(join(guest.root, "etc/rc6.d"));
    expect(links.filter((name) => name.includes("kexec"))).toEqual([]);
  },
  MINUTES_10,
);

test("dracut makes a rescue image with it", () => expectInDracutImage(guest), MINUTES_10);

test(
  "lintian finds no error and no warning",
  () => {
    // The package under test is not compressed, which a real one is.
    const quick = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball";
    const output = guest.inside("lintian", "--suppress-tags", quick, "/onekexec.deb");
    expect(output.replace(/^running with root.*\n/m, "")).toBe("");
  },
  MINUTES_10,
);
