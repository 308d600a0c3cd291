/** What the package has to do in every Debian. */

import { expect } from "bun:test";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { bind, type GuestCopy, mustRun } from "./guest-copy.ts";

const OURS = /^kexec-tools \S+ \(onekexec \S+\)\n$/;
const THEIRS = /^kexec-tools \S+\n$/;
/** With all of kexec-tools' files, whichever release of it that is. */
const PROGRAMS = ["coldreboot", "kexec", "kexec-load-kernel", "vmcore-dmesg"];

/** onekexec is installed and whole, and dpkg knows of no file that has been moved. */
function expectOurs({ inside, status, root }: GuestCopy): void {
  expect(status("onekexec")).toBe("installed");
  expect(status("kexec-tools")).not.toBe("installed");
  for (const path of ["/sbin/kexec", "/usr/sbin/kexec"]) expect(inside(path, "-v")).toMatch(OURS);
  expect(inside("dpkg", "--verify", "onekexec")).toBe("");
  expect(inside("dpkg-divert", "--list", "*onekexec*", "*/sbin/*")).not.toContain("onekexec");
  const found = readdirSync(join(root, "usr/sbin"));
  expect(found).toEqual(expect.arrayContaining(PROGRAMS));
  expect(found.filter((name) => name.includes("usr-is-merged"))).toEqual([]);
}

function expectTheirs({ inside, status }: GuestCopy): void {
  expect(status("kexec-tools")).toBe("installed");
  expect(status("onekexec")).not.toBe("installed");
  expect(inside("/sbin/kexec", "-v")).toMatch(THEIRS);
  expect(inside("dpkg", "--verify", "kexec-tools")).toBe("");
  expect(inside("dpkg-divert", "--list", "*/sbin/*")).not.toContain("onekexec");
}

function expectNone({ root, status }: GuestCopy): void {
  expect(status("onekexec")).not.toBe("installed");
  const found = readdirSync(join(root, "usr/sbin"));
  expect(found.filter((name) => PROGRAMS.some((one) => name.startsWith(one)))).toEqual([]);
}

/** By dpkg and by apt: over kexec-tools, upgraded, removed, purged, and kexec-tools over it. */
export function expectReplaces(guest: GuestCopy): void {
  const { root, inside } = guest;
  const apt = (deb: string) => inside("apt-get", "-q", "-y", "--allow-downgrades", "install", deb);
  expectTheirs(guest);
  inside("dpkg", "-i", "/onekexec.deb");
  expectOurs(guest);
  inside("dpkg", "-i", "/onekexec.deb");
  expectOurs(guest);
  inside("dpkg", "-r", "onekexec");
  expectNone(guest);
  inside("dpkg", "-i", "/kexec-tools.deb");
  expectTheirs(guest);
  apt("/onekexec.deb");
  expectOurs(guest);
  apt("/kexec-tools.deb");
  expectTheirs(guest);
  inside("dpkg", "-i", "/onekexec.deb");
  inside("dpkg", "-P", "kexec-tools");
  expectOurs(guest);
  inside("dpkg", "-P", "onekexec");
  expectNone(guest);
  for (const path of ["etc/init.d/kexec", "etc/init.d/kexec-load", "etc/default/kexec"]) {
    expect({ path, there: existsSync(join(root, path)) }).toEqual({ path, there: false });
  }
}

/** dracut's module makes a rescue image with a kexec that dracut has stripped. */
export function expectInDracutImage({ root, inside }: GuestCopy): void {
  const flags = ["--no-kernel", "--add", "kexec", "--force", "--no-hostonly"];
  inside("dracut", ...flags, "--modules", "kexec base", "/rescue.img", "0");
  inside("sh", "-c", "mkdir /rescue && cd /rescue && lsinitrd --unpack /rescue.img");
  bind("/proc", join(root, "rescue/proc"));
  const rescue = (...command: string[]) => mustRun("chroot", join(root, "rescue"), ...command);
  expect(rescue("/sbin/kexec", "-v")).toMatch(OURS);
  expect(readlinkSync(join(root, "rescue/usr/sbin/vmcore-dmesg"))).toBe("kexec");
  const program = "usr/sbin/kexec";
  const [packed, installed] = [join(root, "rescue", program), join(root, program)];
  expect(Bun.file(packed).size).toBeLessThan(Bun.file(installed).size);
}
