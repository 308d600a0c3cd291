/** A unified kernel image with Debian's kernel, loaded by both methods, started by each. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { makeUki } from "../images/make-uki.ts";
import { bootMachine, CONSOLE, debianKernel } from "./machine.ts";
import { IN_VM, smallInitrd } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;

beforeAll(() => {
  buildKexec();
});

async function boot(method: string): Promise<void> {
  const { vmlinuz } = debianKernel();
  const sections = {
    ".osrel": "ID=debian\n",
    ".cmdline": `${SECOND}\n`,
    ".initrd": smallInitrd(),
    ".linux": new Uint8Array(readFileSync(vmlinuz)),
  };
  const run = await bootMachine({
    kexec: KEXEC,
    name: `uki${method}`,
    caseScript: `run load ${IN_VM.onekexec} ${method} -l /uki.efi\nrun exec ${IN_VM.onekexec} -e\n`,
    extraFiles: [{ path: "/uki.efi", data: makeUki(sections) }],
  });
  withLog(run, () => {
    expect(run.runs.get("load")).toMatchObject({ status: 0, output: "" });
    expectSecondKernel(run, SECOND);
  });
}

describe("a unified kernel image on Linux, x86_64", () => {
  for (const method of ["-c", "-s"]) test(method, () => boot(method), VM_TIMEOUT);
});
