import { expect, test } from "bun:test";
import { findLibc, findLibdl } from "../../../src/edge/ffi/find-libc.ts";

const line = (path: string): string =>
  `7fc49af7e000-7fc49afa4000 r--p 00000000 fe:00 339380                     ${path}\n`;

const BEFORE =
  "00200000-01a39000 r--p 00000000 fe:00 1451460                            /usr/sbin/kexec\n" +
  "7fc49b153000-7fc49b174000 rw-p 00000000 00:00 0 \n" +
  "7ffd5a5f4000-7ffd5a615000 rw-p 00000000 00:00 0                          [stack]\n";

test.each([
  ["Debian 12", line("/usr/lib/x86_64-linux-gnu/libc.so.6")],
  ["Debian 11", line("/lib/x86_64-linux-gnu/libc-2.31.so")],
  ["arm64", line("/lib/aarch64-linux-gnu/libc.so.6")],
  ["NixOS", line("/nix/store/abc-glibc-2.40/lib/libc.so.6")],
  ["Alpine", line("/lib/ld-musl-x86_64.so.1")],
  ["a path with a space", line("/mnt/my root/lib/libc.so.6")],
])("%s: the path is found", (_name, mapping) => {
  expect(findLibc(BEFORE + mapping)).toBe(mapping.replace(/^.*? {4,}/, "").trimEnd());
});

test.each([
  ["nothing", ""],
  ["no C library", BEFORE],
  ["another library", line("/tmp/libc.so.6.hostile") + line("/tmp/xlibc.so.6")],
  ["a file that was deleted", line("/usr/lib/libc.so.6 (deleted)")],
  ["a relative name", line("libc.so.6")],
])("%s: null", (_name, maps) => {
  expect(findLibc(maps)).toBeNull();
});

test("glibc's newer name wins over its older one", () => {
  expect(findLibc(line("/a/libc-2.31.so") + line("/b/libc.so.6"))).toBe("/b/libc.so.6");
});

test.each([
  ["/lib/x86_64-linux-gnu/libdl-2.31.so", "/lib/x86_64-linux-gnu/libdl-2.31.so"],
  ["/lib/x86_64-linux-gnu/libdl.so.2", "/lib/x86_64-linux-gnu/libdl.so.2"],
  ["/lib/x86_64-linux-gnu/libdlx.so.2", null],
])("findLibdl among %s", (path, found) => {
  expect(findLibdl(BEFORE + line(path))).toBe(found);
});
