/**
 * A unified kernel image as people have them, of systemd's stub and Debian's kernel: loaded by both
 * methods, and started with what is in it.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { makeDtb } from "../images/make-dtb.ts";
import { bootMachine, CONSOLE, debianKernel, type MachineRun } from "./machine.ts";
import { IN_VM, smallInitrd } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { stubUki } from "./stub-uki.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;
const DTB = makeDtb("a machine");

beforeAll(() => {
  buildKexec();
});

/** @param more sections */
function image(more: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const { vmlinuz, release } = debianKernel();
  return stubUki({
    ".osrel": "ID=debian\n",
    ".uname": release,
    ".cmdline": `${SECOND}\n`,
    ...more,
    ".initrd": smallInitrd(),
    ".linux": new Uint8Array(readFileSync(vmlinuz)),
  });
}

async function boot(
  method: string,
  more: Readonly<Record<string, Uint8Array>>,
  check: (run: MachineRun) => void,
): Promise<void> {
  const load = `${IN_VM.onekexec} ${method} -d -l /uki.efi`;
  const run = await bootMachine({
    kexec: KEXEC,
    name: `uki${method}`,
    caseScript: `run load ${load}\nrun exec ${IN_VM.onekexec} -e\n`,
    extraFiles: [{ path: "/uki.efi", data: image(more) }],
  });
  withLog(run, () => {
    expect(run.runs.get("load")).toMatchObject({ status: 0 });
    expectSecondKernel(run, SECOND, ["release"]);
    check(run);
  });
}

const loaded = (run: MachineRun): string => run.runs.get("load")?.output ?? "";

describe("a unified kernel image on Linux, x86_64", () => {
  const withTree = (): Promise<void> =>
    boot("-c", { ".dtb": DTB }, (run) => {
      expect(loaded(run)).toContain("kexec_load: 4 segments");
      expect(run.second.get("device-tree")).toBe(hexOf(sha256(DTB)));
    });
  const byFile = (): Promise<void> =>
    boot("-a", {}, (run) => {
      expect(loaded(run)).toContain("kexec_file_load: bzImage64");
      expect(loaded(run)).not.toContain("kexec_load:");
    });
  test.concurrent("-c, with its device tree", withTree, VM_TIMEOUT);
  test.concurrent("-a, by kexec_file_load", byFile, VM_TIMEOUT);
});
