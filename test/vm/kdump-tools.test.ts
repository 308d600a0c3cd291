/**
 * Debian's kdump-tools with our package in the place of kexec-tools': its kdump-config loads and
 * unloads the crash kernel, with the initrd that its hook made; the machine crashes, and in the
 * crash kernel its service saves the dump on the guest's disk, where this machine reads it.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { runCommand } from "../../scripts/command.ts";
import { DISK_MODULES, type Kernel } from "../../scripts/kernels.ts";
import { makePackages } from "../../scripts/package.ts";
import { copyFromDisk, type GuestFile, guestDisk, MOUNT_GUEST } from "./guest.ts";
import { bootMachine, CONSOLE, debianKernel, type MachineRun } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const MARK = "the last word before the crash";
const WORDS = "root=/dev/vda rw quiet systemd.show_status=false";
/** What kdump-config adds for the crash kernel unless it is told otherwise. */
const ADDED = "reset_devices systemd.unit=kdump-tools-dump.service nr_cpus=1 irqpoll usbcore.nousb";
/** kdump-config takes crashkernel= out of the running kernel's words, with the space before it. */
const CRASH_WORDS = `${CONSOLE} ${WORDS} ${ADDED}`;
const FILES = "--initrd=/var/lib/kdump/initrd.img /var/lib/kdump/vmlinuz";
const LOAD = `/sbin/kexec -p --command-line="${CRASH_WORDS}" ${FILES}`;
/** As kexec gets it: the shell takes the quotes. */
const LOAD_CALL = LOAD.replaceAll('"', "");

/** The shell's trace says what kdump-config really runs. "secure" is a machine that takes signed
 * kernels only, or says so: for that kdump-config wants the kernel's own loader. */
const CASE = `${MOUNT_GUEST}
traced() { run $1 in_guest /bin/sh -x /usr/sbin/kdump-config $2; }
run version in_guest kexec -v
run test in_guest kdump-config test
traced load load
run ready in_guest kdump-config status
run loaded in_guest cat /sys/kernel/kexec_crash_loaded
traced unload unload
run unready in_guest kdump-config status
in_guest mount -t tmpfs secure /sys/kernel/security
in_guest /bin/sh -c 'echo 1 > /sys/kernel/security/securelevel'
traced secure-load load
traced secure-unload unload
in_guest umount /sys/kernel/security
run again in_guest kdump-config load
run recorded in_guest cat /var/crash/kexec_cmd
# The rig's files are memory: they would be in the dump, and double the time that it takes.
rm -r /boot /opt ${IN_VM.onekexec}
echo "${MARK}" > /dev/kmsg
sync
echo 1 > /proc/sys/kernel/sysrq
echo c > /proc/sysrq-trigger
sleep 60`;

/** The crash kernel says that it is up, as the rig's second kernels do. */
const SECOND_SAYS: readonly GuestFile[] = [
  {
    path: "/etc/systemd/system/kdump-tools-dump.service.d/say.conf",
    text: "[Service]\nExecStartPre=/usr/local/sbin/say\n",
  },
  {
    path: "/usr/local/sbin/say",
    text: `#!/bin/sh
exec >/dev/console
echo "SECOND cmdline=$(cat /proc/cmdline)"
echo "SECOND vmcore=$(stat -c %s /proc/vmcore)"
echo "SECOND end=yes"
`,
    mode: 0o755,
  },
];

/** Debian's kernel as its package leaves it, with the modules of this disk only; and the crash
 * kernel's initrd, which the hook of kdump-tools makes for it. */
function installKernel(root: string, { release, vmlinuz, config, modules }: Kernel): void {
  copyFileSync(vmlinuz, join(root, `boot/vmlinuz-${release}`));
  copyFileSync(config, join(root, `boot/config-${release}`));
  const folder = join(root, "lib/modules", release);
  mkdirSync(folder, { recursive: true });
  // What is built in: depmod and mkinitramfs ask, and the disk needs none of it.
  for (const list of ["order", "builtin", "builtin.modinfo"]) {
    writeFileSync(join(folder, `modules.${list}`), "");
  }
  const names: readonly string[] = DISK_MODULES;
  for (const { path } of modules.filter(({ name }) => names.includes(name))) {
    copyFileSync(path, join(folder, basename(path)));
  }
  // Else the hook would look at the disks of this machine.
  writeFileSync(join(root, "etc/initramfs-tools/conf.d/list"), "MODULES=list\nCOMPRESS=gzip\n");
  writeFileSync(join(root, "etc/initramfs-tools/modules"), "virtio_pci\nvirtio_blk\next4\n");
  // Without its mark kdump-config would make the initrd anew, which takes a minute in there.
  const mark = join(root, `var/lib/kdump/latest_sysctls-${release}`);
  copyFileSync(join(root, "etc/kdump/sysctl.conf"), mark);
  const inside = (...command: string[]) =>
    runCommand("Make the crash kernel's initrd", ["chroot", root, ...command]);
  inside("depmod", release);
  inside("kdump-config", "symlinks", release);
}

const folder = mkdtempSync(join(tmpdir(), "onekexec-kdump-"));
const disk = join(folder, "disk");

beforeAll(() => {
  buildKexec();
  const { deb } = makePackages(folder, true);
  const setup = { kexec: deb, files: SECOND_SAYS, kind: "kdump" } as const;
  guestDisk(setup, disk, (root) => {
    runCommand("Check the guest's packages", ["chroot", root, "apt-get", "check"]);
    installKernel(root, debianKernel());
  });
}, VM_TIMEOUT);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What kdump-config called kexec with, from the shell's trace. */
function calls({ runs }: MachineRun, name: string): string[] {
  const lines = (runs.get(name)?.output ?? "").split("\n");
  return lines.filter((line) => line.startsWith("+ /sbin/kexec ")).map((line) => line.slice(2));
}

function expectLoads(run: MachineRun): void {
  const { runs } = run;
  expect(runs.get("version")?.output).toContain("(onekexec ");
  expect(runs.get("test")).toMatchObject({ status: 0 });
  expect(runs.get("test")?.output).toContain(`kexec command to be used:\n  ${LOAD}\n`);
  expect(runs.get("load")?.output).toContain("loaded kdump kernel");
  expect(runs.get("load")?.status).toBe(0);
  expect(calls(run, "load")).toEqual([LOAD_CALL]);
  expect(runs.get("ready")?.output).toContain(": ready to kdump\n");
  expect(runs.get("loaded")?.output).toBe("1\n");
  expect(runs.get("unload")?.output).toContain("unloaded kdump kernel");
  expect(calls(run, "unload")).toEqual(["/sbin/kexec -p -u"]);
  expect(runs.get("unready")?.output).toContain(": Not ready to kdump\n");
  expect(runs.get("secure-load")?.status).toBe(0);
  expect(calls(run, "secure-load")).toEqual([LOAD_CALL.replace(" -p ", " -p -s ")]);
  expect(runs.get("secure-unload")?.status).toBe(0);
  expect(calls(run, "secure-unload")).toEqual(["/sbin/kexec -s -p -u"]);
  expect(runs.get("again")).toMatchObject({ status: 0 });
  expect(runs.get("recorded")?.output).toBe(`${LOAD}\n`);
}

/** What kdump-tools left in /var/crash, by the first word of its name. */
function savedFiles(): Record<string, Buffer> {
  copyFromDisk(disk, "/var/crash", folder);
  const saved = join(folder, "crash");
  const paths = readdirSync(saved, { recursive: true, encoding: "utf8" });
  const found = paths.filter((path) => /^\d{12}\/(dump|dmesg)\.\d{12}$/.test(path));
  return Object.fromEntries(
    found.map((path) => [basename(path).split(".")[0], readFileSync(join(saved, path))]),
  );
}

test(
  "kdump-config loads, tells, unloads and loads again; a crash leaves dump and log on the disk",
  async () => {
    const run = await bootMachine({
      name: "kdump-tools",
      kexec: KEXEC,
      caseScript: CASE,
      commandLine: `crashkernel=256M ${WORDS}`,
      qemuArguments: ["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe`],
    });
    withLog(run, () => {
      expectLoads(run);
      expect(run.second.get("cmdline")).toMatch(
        new RegExp(`^elfcorehdr=0x[0-9a-f]+ ${CRASH_WORDS}$`),
      );
      const { dump, dmesg } = savedFiles();
      expect(dmesg?.toString("latin1")).toContain(MARK);
      expect(dmesg?.toString("latin1")).toContain("sysrq: Trigger a crash");
      // makedumpfile's flattened format: a name at the start, and a header of ones at the end.
      expect(dump?.subarray(0, 12).toString()).toBe("makedumpfile");
      expect(dump?.subarray(-16).toString("hex")).toBe("ff".repeat(16));
      expect(dump?.length).toBeGreaterThan(4 << 20);
    });
  },
  VM_TIMEOUT,
);
