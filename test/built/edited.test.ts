/**
 * The built file after the tools that distributions let loose on what they package: it does what it
 * did before. Were the program lost, the file would be the bare runtime, which has a `-v` too.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages } from "../../scripts/machine.ts";
import { makeCore } from "../vmcore/make-core.ts";
import { FACTS, KEXEC, makeScratch, type Outcome, plantKernel, run, shell } from "./built-file.ts";

const MINUTES_5 = 300_000;
const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));
beforeAll(
  () => void ensurePackages(["package-test"], (line) => process.stderr.write(`${line}\n`)),
  MINUTES_5,
);

const kernel = plantKernel(scratch);
const dump = join(scratch, "dump");
writeFileSync(dump, makeCore({ kind: "ringbuffer", records: [{ text: "the last word" }] }));

/** What the program at `path` does in each of its two roles. */
function behaviour(path: string): Outcome[] {
  const dmesg = join(scratch, "vmcore-dmesg");
  rmSync(dmesg, { force: true });
  symlinkSync(path, dmesg);
  return [
    run([path, "-v"]),
    run([dmesg, dump]),
    run([path, "-c", "-l", "--dry-run", `--facts=${FACTS}`, "--append=quiet", kernel]),
  ];
}

const unedited = behaviour(KEXEC);

test("the unedited file does all three", () => {
  expect(unedited.map(({ status, stderr }) => [status, stderr])).toEqual([
    [0, ""],
    [0, ""],
    [0, ""],
  ]);
  const [version, log, plan] = unedited.map(({ stdout }) => stdout);
  expect(version).toMatch(/^kexec-tools \S+ \(onekexec \S+\)\n$/);
  expect(log).toContain("the last word\n");
  expect(plan).toMatch(/^kexec_load: 3 segments, /);
});

/** `$1` is the file, `$2` a name for another. */
const EDITS: readonly string[] = [
  'strip "$1"',
  'strip --strip-debug "$1"',
  'strip --strip-unneeded --remove-section=.comment --remove-section=.note "$1"',
  'objcopy --strip-debug "$1"',
  'objcopy --only-keep-debug "$1" "$2"; objcopy --add-gnu-debuglink="$2" "$1"; strip "$1"',
  'eu-strip "$1"',
  'eu-strip --remove-comment -f "$2" "$1"',
  'eu-strip -g "$1"; strip "$1"',
  'debugedit -b /build -d /usr/src/debug -i "$1"; strip "$1"',
  'patchelf --set-interpreter "$(patchelf --print-interpreter "$1")" "$1"',
  'patchelf --set-rpath /usr/lib/xen "$1"; patchelf --shrink-rpath "$1"',
  'patchelf --add-needed libdl.so.2 "$1"',
];

describe("it does the same after", () => {
  test.each(EDITS)("%s", (edit) => {
    const copy = join(scratch, "kexec");
    copyFileSync(KEXEC, copy);
    const { status, stderr } = shell(`set -e; ${edit}`, [copy, join(scratch, "kexec.debug")]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(Buffer.compare(readFileSync(copy), readFileSync(KEXEC))).not.toBe(0);
    expect(behaviour(copy)).toEqual(unedited);
  });
});

const SPEC = `Name: onekexec
Version: 1
Release: 1
Summary: kexec
License: GPL-2.0-or-later
%define _enable_debug_packages 1
%define _binary_payload w0.gzdio
%description
kexec
%debug_package
%install
install -D -m 755 ${KEXEC} %{buildroot}/usr/sbin/kexec
%files
/usr/sbin/kexec
`;

test(
  "it does the same out of an RPM package whose debug information was taken out",
  () => {
    const top = join(scratch, "rpm");
    mkdirSync(top);
    writeFileSync(join(top, "onekexec.spec"), SPEC);
    const build =
      'cd "$1" && rpmbuild --define "_topdir $1" -bb onekexec.spec >log 2>&1 || ' +
      "{ cat log; exit 1; }; rpm2cpio RPMS/*/onekexec-1-1.*.rpm | cpio -idm --quiet";
    expect(shell(build, [top], { seconds: 240 })).toMatchObject({ status: 0, stdout: "" });
    const packed = join(top, "usr/sbin/kexec");
    expect(Buffer.compare(readFileSync(packed), readFileSync(KEXEC))).not.toBe(0);
    expect(behaviour(packed)).toEqual(unedited);
  },
  MINUTES_5,
);
