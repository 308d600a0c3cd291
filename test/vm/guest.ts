/**
 * A Debian guest for cases in which other programs call kexec. The rig's first kernel unpacks it
 * into memory, or finds it on a disk; what happens there writes on the console as the rig's own
 * cases do.
 */

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runCommand } from "../../scripts/command.ts";
import { ensureGuest, type GuestKind } from "../../scripts/debian-guest.ts";
import { DISK_MODULES } from "../../scripts/kernels.ts";
import type { CpioFile } from "./cpio.ts";
import { IN_VM } from "./rig.ts";

/** MiB: the guest lies in memory twice, packed and unpacked. */
export const GUEST_MEMORY = 2560;

/** More than the guest, our package and a dump need. */
const DISK_SIZE = "1G";

/** Where the guest is, in the rig. */
const GUEST = "/guest";
const ARCHIVE = "/guest.tar";

/** `in_guest COMMAND...` runs something in the guest, as on a machine without systemd. */
const IN_GUEST = `
mount -t tmpfs run ${GUEST}/run
for folder in proc sys dev; do mount -o bind /$folder ${GUEST}/$folder; done
in_guest() { PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot ${GUEST} "$@"; }`;

/** Shell lines of a case: they unpack the guest, with what the second kernel is loaded from; then
 * there is `in_guest`. */
export const UNPACK_GUEST = `
mkdir ${GUEST}
mount -t tmpfs -o size=1500m guest ${GUEST}
tar -C ${GUEST} -xf ${ARCHIVE}
rm ${ARCHIVE}
cp ${IN_VM.kernel} ${IN_VM.initrd} ${GUEST}/boot
${IN_GUEST}`;

/** The same where the guest is on the first disk. */
export const MOUNT_GUEST = `
for module in ${DISK_MODULES.join(" ")}; do insmod /boot/modules/$module.ko; done
mkdir ${GUEST}
mount -t ext4 /dev/vda ${GUEST}
${IN_GUEST}`;

/** The last lines of a case: the guest's own init takes over. */
export const START_GUEST = `umount /sys/kernel/debug /sys/kernel/security
for folder in proc sys dev; do umount /$folder; done
exec switch_root ${GUEST} /sbin/init`;

/** The kernel's words for it: its case is started, and what would wait for a udev that is not
 * there is left out. */
export const GUEST_COMMAND_LINE =
  "systemd.mask=serial-getty@ttyS0.service systemd.mask=getty@tty1.service " +
  "systemd.show_status=false systemd.wants=case.service";

export interface GuestFile {
  /** Absolute, in the guest. */
  readonly path: string;
  readonly text: string;
  readonly mode?: number;
}

export interface GuestSetup {
  /** The program under test, on this machine: it takes the place of kexec-tools' /sbin/kexec. Or a
   * Debian package, which is installed in the place of kexec-tools'. */
  readonly kexec: string;
  readonly files: readonly GuestFile[];
  /** "plain" unless given. */
  readonly kind?: GuestKind;
}

/** A unit that runs `script` once the guest is up. */
export function guestCase(script: string): GuestFile[] {
  const unit = `[Unit]
Description=The case
After=multi-user.target
[Service]
ExecStart=/usr/local/sbin/case
`;
  return [
    { path: "/usr/local/sbin/case", text: `#!/bin/sh\n${script}\n`, mode: 0o755 },
    { path: "/etc/systemd/system/case.service", text: unit },
  ];
}

function addFile(root: string, { path, text, mode }: GuestFile): void {
  const place = join(root, path);
  mkdirSync(dirname(place), { recursive: true });
  // It may be a link to something that others need.
  rmSync(place, { force: true });
  writeFileSync(place, text);
  chmodSync(place, mode ?? 0o644);
}

function install(root: string, deb: string): void {
  copyFileSync(deb, join(root, "tmp/package.deb"));
  runCommand(`Install ${deb}`, ["chroot", root, "dpkg", "-i", "/tmp/package.deb"]);
  rmSync(join(root, "tmp/package.deb"));
}

/** Calls `use` with a copy of the guest, as `setup` wants it, in a folder that then goes. */
function withGuest<T>(
  { kexec, files, kind }: GuestSetup,
  use: (root: string, work: string) => T,
): T {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const work = mkdtempSync(join(tmpdir(), "onekexec-guest-"));
  try {
    const root = join(work, "root");
    runCommand("Copy the guest", ["cp", "-a", "--reflink=auto", ensureGuest(say, kind).root, root]);
    if (kexec.endsWith(".deb")) install(root, kexec);
    else copyFileSync(kexec, join(root, IN_VM.onekexec));
    for (const file of files) addFile(root, file);
    return use(root, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The guest as one file of the rig. @throws Problem */
export function guestArchive(setup: GuestSetup): CpioFile {
  return withGuest(setup, (root, work) => {
    const archive = join(work, "guest.tar");
    runCommand("Pack the guest", ["tar", "-C", root, "-cf", archive, "."]);
    return { path: ARCHIVE, data: new Uint8Array(readFileSync(archive)) };
  });
}

/** The guest as a disk, the file `disk`, after `prepare` has worked in its root. @throws Problem */
export function guestDisk(setup: GuestSetup, disk: string, prepare: (root: string) => void): void {
  withGuest(setup, (root) => {
    prepare(root);
    const flags = ["-q", "-t", "ext4", "-d", root];
    runCommand("Make the guest's disk", ["mke2fs", ...flags, disk, DISK_SIZE]);
  });
}

/** The folder `path` of a disk whose machine has ended, copied into `target`. @throws Problem */
export function copyFromDisk(disk: string, path: string, target: string): void {
  // What the machine wrote last may be in the journal only; 1 says that all is well now.
  const check = 'e2fsck -p "$1" || [ $? = 1 ]';
  runCommand(`Check ${disk}`, ["bash", "-c", check, "check", disk]);
  runCommand(`Read ${disk}`, ["debugfs", "-R", `rdump ${path} ${target}`, disk]);
}
