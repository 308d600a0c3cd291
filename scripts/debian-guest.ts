/**
 * Whole Debians with systemd: root file systems, made once from Debian's packages and kept in the
 * cache. kexec-tools is in each, in Debian 12 with its init scripts.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, fillFolder } from "./cache.ts";
import { runCommand } from "./command.ts";

/** What a machine has at least, and kexec-tools. */
const COMMON = ["systemd-sysv", "dbus", "procps", "kmod", "kexec-tools", "initramfs-tools-core"];
/** The guests. kdump-tools has one of its own: its service fails where no memory is reserved, and
 * kexec-tools does not go without it. */
const GUESTS = {
  /** With all that makes rescue images. */
  plain: { suite: "bookworm", packages: [...COMMON, "dracut-core"] },
  /** With all that saves dumps. */
  kdump: { suite: "bookworm", packages: [...COMMON, "kdump-tools", "makedumpfile"] },
  /** Debian 13: only for packages to be installed in. */
  trixie: { suite: "trixie", packages: ["systemd-sysv", "kexec-tools"] },
  /** What will be the next Debian: with dracut and lintian as they are there. */
  sid: { suite: "sid", packages: ["systemd-sysv", "kexec-tools", "dracut-core", "lintian"] },
} as const;

export type GuestKind = keyof typeof GUESTS;
/** What the tests need that always run; sid is another one each day. */
export const GUEST_KINDS: readonly GuestKind[] = ["plain", "kdump", "trixie"];

export interface Guest {
  /** The folder of the root file system. */
  readonly root: string;
  /** Debian's package of kexec-tools, as a file. */
  readonly kexecTools: string;
}

/**
 * The guest; nobody changes what is in its folder.
 * @throws Problem where mmdebstrap is missing or fails
 */
export function ensureGuest(say: (line: string) => void, kind: GuestKind = "plain"): Guest {
  const { suite, packages } = GUESTS[kind];
  // The name says what is in it: another list of packages is another guest.
  const folder = join(cacheFolder("debian-guest"), `${suite}-${packages.join("-")}`);
  const guest = { root: join(folder, "root"), kexecTools: join(folder, "kexec-tools.deb") };
  if (existsSync(folder)) return guest;
  const step = `Make a Debian (${suite}) with ${packages.at(-1)}`;
  say(`${step} (once, about a minute)`);
  fillFolder(folder, (fresh) => {
    // apt-get names the file by its version.
    const fetch =
      'chroot "$1" sh -c "cd /var/tmp && apt-get -q download kexec-tools" && ' +
      `mv "$1"/var/tmp/kexec-tools_*.deb "${fresh}/kexec-tools.deb"`;
    const flags = [
      "--quiet",
      "--variant=minbase",
      // A mirror that stands still has lists of sid that are no longer valid.
      '--aptopt=Acquire::Check-Valid-Until "false"',
      `--include=${packages.join(",")}`,
      `--customize-hook=${fetch}`,
    ];
    runCommand(step, ["mmdebstrap", ...flags, suite, join(fresh, "root")], {
      advice: "look at the network and at /etc/apt/sources.list",
    });
  });
  return guest;
}
