/**
 * The programs of Debian 12 that call kexec: systemd, and the init scripts. With our package in the
 * place of kexec-tools', and with kexec-tools' own scripts and only the program replaced.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { makePackages } from "../../scripts/package.ts";
import {
  GUEST_COMMAND_LINE,
  GUEST_MEMORY,
  type GuestFile,
  guestArchive,
  guestCase,
  START_GUEST,
  UNPACK_GUEST,
} from "./guest.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;

const folder = mkdtempSync(join(tmpdir(), "onekexec-callers-"));
let deb = "";

beforeAll(() => {
  buildKexec();
  deb = makePackages(folder, true).deb;
}, VM_TIMEOUT);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function boot(
  setup: Pick<MachineSetup, "name" | "caseScript" | "commandLine">,
  kexec: string,
  files: readonly GuestFile[],
): Promise<MachineRun> {
  return bootMachine({
    ...setup,
    kexec: KEXEC,
    memory: GUEST_MEMORY,
    extraFiles: [guestArchive({ kexec, files })],
  });
}

/** The rig's words for a command, in a guest. */
const RUN = `exec >/dev/console 2>&1
run() {
	name=$1
	shift
	echo "BEGIN $name"
	"$@" >/run/output 2>&1
	status=$?
	sed 's/^/| /' /run/output
	echo "END $name rc=$status"
}`;

const LOAD = `kexec --load /boot/vmlinuz --append "${SECOND}" --initrd /boot/small`;

/** Where it works, whoever asked may be stopped before it answers. */
const FAILED = "systemctl kexec failed";

test(
  "systemd: systemctl kexec starts what was loaded",
  async () => {
    const script = `${RUN}
run up systemctl is-system-running --wait
run load ${LOAD}
systemctl kexec || echo "${FAILED}"
sleep 100`;
    const setup = {
      name: "callers-systemd",
      caseScript: `${UNPACK_GUEST}\n${START_GUEST}`,
      commandLine: GUEST_COMMAND_LINE,
    };
    const run = await boot(setup, deb, guestCase(script));
    withLog(run, () => {
      expect(run.runs.get("up")).toMatchObject({ status: 0, output: "running\n" });
      expect(run.runs.get("load")).toMatchObject({ status: 0, output: "" });
      expect(run.lines.map(({ text }) => text)).not.toContain(FAILED);
      expectSecondKernel(run, SECOND);
    });
  },
  VM_TIMEOUT,
);

test.each([
  ["our package's", "package"],
  ["kexec-tools'", "program"],
])(
  "%s init scripts: kexec-load loads what /etc/default/kexec says, and kexec starts it",
  async (_, replaced) => {
    const settings = `LOAD_KEXEC=true
KERNEL_IMAGE="/boot/vmlinuz"
INITRD="/boot/small"
APPEND="${SECOND}"
USE_GRUB_CONFIG=false
`;
    const script = `${UNPACK_GUEST}
run nothing in_guest /etc/init.d/kexec stop
run load in_guest /etc/init.d/kexec-load stop
run loaded in_guest cat /sys/kernel/kexec_loaded
run again in_guest /etc/init.d/kexec-load stop
run start in_guest /etc/init.d/kexec stop`;
    const files = [
      { path: "/etc/default/kexec", text: settings },
      // What sysvinit's says at a reboot; systemd's says nothing in a chroot.
      { path: "/usr/sbin/runlevel", text: "#!/bin/sh\necho 2 6\n", mode: 0o755 },
    ];
    const run = await boot(
      { name: `callers-${replaced}`, caseScript: script },
      replaced === "package" ? deb : KEXEC,
      files,
    );
    withLog(run, () => {
      expect(run.runs.get("nothing")).toMatchObject({ status: 0, output: "" });
      expect(run.runs.get("load")?.status).toBe(0);
      expect(run.runs.get("load")?.output).toContain("Loading ");
      expect(run.runs.get("loaded")).toMatchObject({ status: 0, output: "1\n" });
      expect(run.runs.get("again")).toMatchObject({ status: 0, output: "" });
      expectSecondKernel(run, SECOND);
    });
  },
  VM_TIMEOUT,
);
