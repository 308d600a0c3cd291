/** A unified kernel image with Debian's kernel, loaded by both methods, started by each. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { ensureKernel } from "../../scripts/kernels.ts";
import { refreshPackageLists } from "../../scripts/machine.ts";
import { makeUki } from "../images/make-uki.ts";
import { bootMachine, CONSOLE } from "./machine.ts";
import { IN_VM, PROOF_SHA256, smallInitrd } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;

beforeAll(() => {
  buildKexec();
});

async function boot(method: string): Promise<void> {
  const say = (line: string): unknown => process.stderr.write(`${line}\n`);
  const { vmlinuz } = ensureKernel("6.1", say, () => refreshPackageLists(say));
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
    expect(run.second.get("cmdline")).toBe(SECOND);
    expect(run.second.get("proof")).toBe(PROOF_SHA256);
  });
}

describe("a unified kernel image on Linux, x86_64", () => {
  for (const method of ["-c", "-s"]) test(method, () => boot(method), VM_TIMEOUT);
});
