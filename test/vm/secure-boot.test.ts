/**
 * Secure Boot: the firmware starts a signed kernel, which is locked down by it and takes signed
 * kernels only.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, debianKernel, type MachineRun } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { signedKernel } from "./signed-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;
const UNTRUSTED = "/boot/debian";
const TRUST = "The image must be signed by a key that this kernel trusts";

const SCRIPT = `
run lockdown cat /sys/kernel/security/lockdown
run segments kexec -c -l ${IN_VM.kernel}
run untrusted kexec -s -l ${UNTRUSTED}
dd if=${IN_VM.kernel} of=/tmp/damaged bs=1M 2>/dev/null
printf x | dd of=/tmp/damaged bs=1 seek=5000000 conv=notrunc 2>/dev/null
run damaged kexec -s -l /tmp/damaged
run damaged-auto kexec -l /tmp/damaged
run nothing kexec -S -l
run load kexec -l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${SECOND}"
run loaded kexec -S -l
run unload kexec -u
run unloaded kexec -S -l
run again kexec -s -l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${SECOND}"
run doctor kexec --doctor
run exec kexec -e
`;

const folder = mkdtempSync(join(tmpdir(), "onekexec-signed-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => buildKexec(), VM_TIMEOUT);

function check(run: MachineRun): void {
  const status = (name: string) => run.runs.get(name)?.status;
  const output = (name: string) => run.runs.get(name)?.output ?? "";
  expect(output("lockdown")).toContain("[integrity]");
  expect(output("segments")).toStartWith("kexec_load failed: Permission denied\nentry ");
  expect(output("segments")).toContain("\nTry -s with a signed kernel.\n");
  const refused = (what: string) => `kexec_file_load failed: ${what}\n`;
  expect(output("untrusted")).toStartWith(refused("Required key not available"));
  expect(output("damaged")).toStartWith(refused("Key was rejected by service"));
  expect(output("damaged")).toContain(TRUST);
  // What a signature forbids must not be done another way.
  expect(output("damaged-auto")).toBe(output("damaged"));
  const statuses = ["segments", "untrusted", "damaged", "damaged-auto", "nothing"].map(status);
  expect(statuses).toEqual([255, 255, 255, 255, 0]);
  expect(["load", "loaded", "unload", "unloaded", "again"].map(status)).toEqual([0, 1, 0, 0, 0]);
  expect(output("doctor")).toMatch(/^note +Secure Boot +is on/m);
  expect(output("doctor")).toMatch(/^no +kexec_load +Permission denied/m);
  expect(status("doctor")).toBe(0);
  expectSecondKernel(run, SECOND, ["release", "efi", "runtime-maps", "rsdp"]);
}

test(
  "a signed kernel is loaded and starts; others are refused with the reason",
  async () => {
    const kernel = debianKernel();
    const run = await bootMachine({
      name: "secure-boot",
      kexec: KEXEC,
      firmware: "secure-boot",
      memory: 1280,
      kernelFiles: signedKernel(kernel, folder),
      caseScript: SCRIPT,
      extraFiles: [{ path: UNTRUSTED, data: new Uint8Array(readFileSync(kernel.vmlinuz)) }],
    });
    withLog(run, () => check(run));
  },
  VM_TIMEOUT,
);
