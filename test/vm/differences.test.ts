/**
 * Differences from kexec-tools that only a virtual machine can show, since these command lines take
 * the network down: both kexecs in the same machine, one after the other.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { difference } from "../conformance/differences.ts";
import { bootMachine, CONSOLE, type MachineRun } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const LOAD = `-c ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${CONSOLE} second"`;
const UP = "0x1003\n";
const DOWN = "0x1002\n";

/** What `program` does, with the state of the network after each; names begin with `who`. */
function caseFor(who: string, program: string): string {
  const deed = (name: string, words: string) => `
ip link set eth0 up
run ${who}-${name} ${program} ${words}
run ${who}-${name}-network cat /sys/class/net/eth0/flags`;
  return [
    deed("force-load", `-f -l ${LOAD}`),
    deed("exec-load", `-e -l ${LOAD}`),
    "run before cat /sys/kernel/kexec_loaded",
    deed("force-unload", "-c -f -u"),
    deed("exec-unload", "-c -e -u"),
    // Where the kernel's state cannot be read.
    "mount -t tmpfs tmpfs /sys/kernel",
    deed("blind-unload", "-c -f -u"),
    "umount /sys/kernel",
  ].join("\n");
}

const SCRIPT = `
insmod ${IN_VM.networkDriver}
${caseFor("theirs", IN_VM.kexecTools)}
${caseFor("ours", IN_VM.onekexec)}
`;

let machine: MachineRun;

beforeAll(async () => {
  buildKexec();
  machine = await bootMachine({
    name: "differences",
    kexec: KEXEC,
    caseScript: SCRIPT,
    qemuArguments: ["-nic", "user,model=e1000"],
  });
}, VM_TIMEOUT);

/** Status, first line, and the network's state afterwards. */
function did(name: string): [number | null | undefined, string | undefined, string | undefined] {
  const { status, output } = machine.runs.get(name) ?? {};
  return [status, output?.split("\n")[0], machine.runs.get(`${name}-network`)?.output];
}

const check = (body: () => void) => () => withLog(machine, body);

describe("command lines that take the network down", () => {
  for (const name of ["force-load", "exec-load"]) {
    test(
      `${difference("load-and-ifdown").id}: ${name}`,
      check(() => {
        expect(did(`theirs-${name}`)).toEqual([0, "", DOWN]);
        expect(did(`ours-${name}`)).toEqual([0, "", UP]);
      }),
    );
  }

  for (const name of ["force-unload", "exec-unload"]) {
    test(
      `${difference("unload-and-start").id}: ${name}`,
      check(() => {
        expect(did(`theirs-${name}`)).toEqual([1, "Nothing has been loaded!", UP]);
        expect(did(`ours-${name}`)).toEqual([0, "", UP]);
      }),
    );
  }

  test(
    `${difference("unload-and-start").id}: where the kernel's state cannot be read`,
    check(() => {
      expect(did("theirs-blind-unload")).toEqual([255, "kexec failed: Invalid argument", DOWN]);
      expect(did("ours-blind-unload")).toEqual([0, "", UP]);
    }),
  );
});
