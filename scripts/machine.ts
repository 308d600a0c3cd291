/**
 * Gives this machine what the tests and the demo need from Debian: QEMU and small tools, installed
 * by apt-get where they are missing, kernels, Xen and systemd's stub, only downloaded (kernels.ts,
 * xen.ts, systemd-stub.ts), and a Debian guest in a folder (debian-guest.ts).
 *
 *     bun scripts/machine.ts [WORD ...]
 *
 * A word is demo, vm, conformance, package, package-test, guest, xen, stub, or a series of
 * kernels. Without any it gets everything, and prints where what is only downloaded is. With
 * everything there it asks no network and changes nothing.
 */

import { existsSync } from "node:fs";
import { Problem, problemText, runCommand } from "./command.ts";
import { ensureGuest, GUEST_KINDS } from "./debian-guest.ts";
import { ensureKernel, KERNEL_SERIES } from "./kernels.ts";
import { ensureSystemdStub } from "./systemd-stub.ts";
import { ensureXen } from "./xen.ts";

/** A package of Debian, and a file or a command that shows that its contents are there. */
interface Needed {
  readonly name: string;
  readonly command?: string;
  readonly file?: string;
}

export type Purpose = "demo" | "vm" | "conformance" | "package" | "package-test";

const VM: readonly Needed[] = [
  { name: "qemu-system-x86", command: "qemu-system-x86_64" },
  { name: "ovmf", file: "/usr/share/OVMF/OVMF_CODE_4M.fd" },
  { name: "busybox-static", command: "busybox" },
  { name: "xz-utils", command: "xz" },
];
const PACKAGE: readonly Needed[] = [
  { name: "dpkg", command: "dpkg-deb" },
  { name: "xz-utils", command: "xz" },
];
/** Judges of what the package has. */
const PACKAGE_TEST: readonly Needed[] = [
  { name: "lintian", command: "lintian" },
  { name: "mandoc", command: "mandoc" },
  { name: "bash-completion", file: "/usr/share/bash-completion/bash_completion" },
  { name: "zsh", command: "zsh" },
  { name: "fish", command: "fish" },
];
/** What distributions' tools for packages edit executables with. */
const EDITORS: readonly Needed[] = [
  { name: "binutils", command: "strip" },
  { name: "elfutils", command: "eu-strip" },
  { name: "debugedit", command: "debugedit" },
  { name: "patchelf", command: "patchelf" },
  { name: "rpm", command: "rpmbuild" },
  { name: "cpio", command: "cpio" },
];
/** Makes the Debian of debian-guest.ts. */
const GUEST: readonly Needed[] = [{ name: "mmdebstrap", command: "mmdebstrap" }];
/** Makes the disks of virtual machines, and reads them. */
const DISK: readonly Needed[] = [
  { name: "e2fsprogs", command: "debugfs" },
  { name: "squashfs-tools", command: "mksquashfs" },
];
/** Signs kernels with the key that OVMF has for tests. */
const SIGNING: readonly Needed[] = [
  { name: "sbsigntool", command: "sbsign" },
  { name: "openssl", command: "openssl" },
];
/** What filters dumps of crash kernels. */
const DUMP: readonly Needed[] = [{ name: "makedumpfile", command: "makedumpfile" }];
/** Each format of wrapper is made by its own program. */
const COMPRESSORS: readonly Needed[] = [
  { name: "bzip2", command: "bzip2" },
  { name: "lz4", command: "lz4" },
  { name: "xz-utils", command: "xz" },
  { name: "zstd", command: "zstd" },
];
const CONFORMANCE: readonly Needed[] = [
  { name: "kexec-tools", file: "/sbin/kexec" },
  { name: "strace", command: "strace" },
  { name: "gcc", command: "gcc" },
  { name: "libc6-dev", file: "/usr/include/stdio.h" },
  { name: "binutils", command: "ld" },
  ...COMPRESSORS,
];
/** The VM tests compare with kexec-tools, and assemble the kernels that the purgatory starts. */
const NEEDED: Readonly<Record<Purpose, readonly Needed[]>> = {
  demo: VM,
  vm: [...VM, ...GUEST, ...DISK, ...SIGNING, ...DUMP, ...CONFORMANCE],
  conformance: CONFORMANCE,
  package: PACKAGE,
  "package-test": [...PACKAGE, ...PACKAGE_TEST, ...EDITORS, ...GUEST],
};

const APT = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];
const APT_ENVIRONMENT = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };

/**
 * kexec-tools must stay a file on this machine: without its init scripts dpkg has nothing to
 * enable, and the answer keeps `reboot` what it was.
 */
const WITHOUT_INIT_SCRIPTS = ["-o", "Dpkg::Options::=--path-exclude=/etc/init.d/kexec*"];
const KEXEC_TOOLS_ANSWERS = "kexec-tools kexec-tools/load_kexec boolean false\n";

function isThere({ command, file }: Needed): boolean {
  if (command !== undefined && Bun.which(command) === null) return false;
  return file === undefined || existsSync(file);
}

let listsAreFresh = false;

/** `apt-get update`, once in this process. @throws Problem */
export function refreshPackageLists(say: (line: string) => void): void {
  if (listsAreFresh) return;
  const step = "Fetch Debian's package lists";
  if (process.getuid?.() !== 0) {
    throw new Problem({ step, reason: "this needs root", advice: "run the same as root" });
  }
  say(step);
  const advice = "look at the network and at /etc/apt/sources.list";
  runCommand(step, [...APT, "update"], { env: APT_ENVIRONMENT, advice });
  listsAreFresh = true;
}

function checkCanInstall(step: string, names: readonly string[]): void {
  const list = names.join(" ");
  if (Bun.which("apt-get") === null) {
    const reason = `missing: ${list}; this machine has no apt-get, so it is not Debian`;
    throw new Problem({ step, reason, advice: "install the same by this system's own means" });
  }
  if (process.getuid?.() !== 0) {
    const advice = `run the same as root, or: sudo apt-get install ${list}`;
    throw new Problem({ step, reason: `missing: ${list}; installing needs root`, advice });
  }
}

/**
 * Installs what is missing for `purposes` and returns the names of the packages it installed.
 * @throws Problem
 */
export function ensurePackages(
  purposes: readonly Purpose[],
  say: (line: string) => void,
): string[] {
  const needed = new Set(purposes.flatMap((purpose) => NEEDED[purpose]));
  const missing = [...needed].filter((one) => !isThere(one));
  const names = missing.map(({ name }) => name);
  if (names.length === 0) return names;
  const step = `Install ${names.join(" ")} from Debian`;
  checkCanInstall(step, names);
  refreshPackageLists(say);
  say(step);
  if (names.includes("kexec-tools")) {
    runCommand(step, ["debconf-set-selections"], { stdin: KEXEC_TOOLS_ANSWERS });
  }
  const flags = ["-y", "--no-install-recommends", ...WITHOUT_INIT_SCRIPTS];
  runCommand(step, [...APT, "install", ...flags, ...names], {
    env: APT_ENVIRONMENT,
    advice: "read apt-get's words above; 'apt-get -f install' mends a broken installation",
  });
  const absent = missing.filter((one) => !isThere(one));
  if (absent.length > 0) {
    const reason = absent.map((one) => `${one.name} has no ${one.command ?? one.file}`).join("\n");
    throw new Problem({ step, reason });
  }
  return names;
}

const PURPOSES: readonly Purpose[] = ["demo", "vm", "conformance", "package", "package-test"];

function main(words: readonly string[]): void {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const known: readonly string[] = [...PURPOSES, "guest", "xen", "stub", ...KERNEL_SERIES];
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) {
    const reason = `unknown word ${JSON.stringify(unknown)}`;
    const advice = `any of: ${known.join(" ")}`;
    throw new Problem({ step: "Read the command line", reason, advice });
  }
  const refresh = () => refreshPackageLists(say);
  const isWanted = (word: string) => words.length === 0 || words.includes(word);
  ensurePackages(PURPOSES.filter(isWanted), say);
  for (const series of KERNEL_SERIES.filter(isWanted)) {
    const { release, vmlinuz } = ensureKernel(series, say, refresh);
    process.stdout.write(`${release}\t${vmlinuz}\n`);
  }
  for (const kind of isWanted("guest") ? GUEST_KINDS : []) {
    process.stdout.write(`guest ${kind}\t${ensureGuest(say, kind).root}\n`);
  }
  if (isWanted("xen")) {
    const { version, hypervisor } = ensureXen(say, refresh);
    process.stdout.write(`${version}\t${hypervisor}\n`);
  }
  if (!isWanted("stub")) return;
  const { version, path } = ensureSystemdStub(say, refresh);
  process.stdout.write(`${version}\t${path}\n`);
}

if (import.meta.main) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${problemText(error)}\n`);
    process.exit(1);
  }
}
