/**
 * A whole Debian 12 with systemd for virtual machines: a root file system, made once from Debian's
 * packages and kept in the cache. kexec-tools is in it, with its init scripts.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, fillFolder } from "./cache.ts";
import { runCommand } from "./command.ts";

/** What a machine has at least, and kexec-tools. */
const COMMON = ["systemd-sysv", "dbus", "procps", "kmod", "kexec-tools", "initramfs-tools-core"];
/** The guests. kdump-tools has one of its own: its service fails where no memory is reserved, and
 * kexec-tools does not go without it. */
const PACKAGES = {
  /** With all that makes rescue images. */
  plain: [...COMMON, "dracut-core"],
  /** With all that saves dumps. */
  kdump: [...COMMON, "kdump-tools", "makedumpfile"],
} as const;

export type GuestKind = keyof typeof PACKAGES;
export const GUEST_KINDS: readonly GuestKind[] = ["plain", "kdump"];

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
  const packages = PACKAGES[kind];
  // The name says what is in it: another list of packages is another guest.
  const folder = join(cacheFolder("debian-guest"), `bookworm-${packages.join("-")}`);
  const guest = { root: join(folder, "root"), kexecTools: join(folder, "kexec-tools.deb") };
  if (existsSync(folder)) return guest;
  const step = `Make a Debian 12 with ${packages.at(-1)}`;
  say(`${step} (once, about a minute)`);
  fillFolder(folder, (fresh) => {
    const flags = ["--quiet", "--variant=minbase", `--include=${packages.join(",")}`];
    runCommand(step, ["mmdebstrap", ...flags, "bookworm", join(fresh, "root")], {
      advice: "look at the network and at /etc/apt/sources.list",
    });
    // apt-get names the file by its version.
    const fetch =
      'cd "$1" && apt-get -q download kexec-tools && mv kexec-tools_*.deb kexec-tools.deb';
    runCommand("Download kexec-tools", ["bash", "-c", fetch, "fetch", fresh]);
  });
  return guest;
}
