/**
 * The rig with Xen, shown with Debian's kexec-tools: what fails here is no fault of the kexec under
 * test.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, DOM0_CONSOLE } from "./machine.ts";
import { IN_VM, PROOF_SHA256, xenLibraries } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const LOAD = `-l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${CONSOLE} second"`;
/** Each is named by another; the program itself finds none of them by a path of its own. */
const LIBRARIES = ["/sbin/busybox-with", "libxenctrl.so.4.17"];

const PV_SCRIPT = `
run absent ls /dev/xen/privcmd
xen_modules
run no-xenfs ls /proc/xen/capabilities
xen_fs
run capabilities cat /proc/xen/capabilities
run load ${IN_VM.kexecTools} ${LOAD}
run exec ${IN_VM.kexecTools} -e
`;

beforeAll(() => {
  buildKexec();
});

async function bootPv(): Promise<void> {
  const run = await bootMachine({
    name: "xen-rig-pv",
    kexec: KEXEC,
    xen: { commandLine: "crashkernel=192M" },
    caseScript: PV_SCRIPT,
  });
  withLog(run, () => {
    const { first, second, runs } = run;
    expect(first.get("guest-type")).toBe("PV");
    expect(first.get("cmdline")).toBe(DOM0_CONSOLE);
    expect(runs.get("absent")?.status).toBe(1);
    expect(runs.get("no-xenfs")?.status).toBe(1);
    expect(runs.get("capabilities")).toMatchObject({ status: 0, output: "control_d\n" });
    expect(runs.get("load")).toMatchObject({ status: 0, output: "" });
    expect(runs.get("exec")).toMatchObject({ status: null, output: "" });
    expect(run.lines.map(({ text }) => text)).toContain("(XEN) Executing kexec image on cpu0");
    // The machine is all its own again.
    expect(second.get("guest-type")).toBe("");
    expect(second.get("cmdline")).toStartWith(`${CONSOLE} second kexec_jump_back_entry=0x`);
    expect(second.get("proof")).toBe(PROOF_SHA256);
    expect(Number(second.get("memory-kib"))).toBeGreaterThan(1_900_000);
  });
}
