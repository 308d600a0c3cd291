/**
 * The initramfs of the first kernel of a VM: busybox, the kexec under test, kexec-tools, and what
 * the second kernel boots. And the second kernel's own, which is small.
 */

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Problem, runCommand } from "../../scripts/command.ts";
import type { KernelModule } from "../../scripts/kernels.ts";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { type CpioFile, cpio } from "./cpio.ts";

/** Where things are inside the VM. */
export const IN_VM = {
  /** What dist/kexec is called there. */
  onekexec: "/sbin/kexec",
  kexecTools: "/opt/kexec-tools/kexec",
  kernel: "/boot/vmlinuz",
  initrd: "/boot/small",
  networkDriver: "/boot/modules/e1000.ko",
} as const;

const KEXEC_TOOLS = "/sbin/kexec";
const LIBRARIES_OF_KEXEC_TOOLS = "/opt/kexec-tools/lib";
const INIT = join(import.meta.dir, "init.sh");
const PROOF_SIZE = 1 << 20;

/** Bytes without a pattern: the second kernel hashes them, which proves its initrd's every page. */
function proofBytes(): Uint8Array {
  const bytes = new Uint8Array(PROOF_SIZE);
  for (let at = 0; at < PROOF_SIZE; at += 32)
    bytes.set(sha256(Uint8Array.of(at >> 5, at >> 13)), at);
  return bytes;
}

export const proof = proofBytes();
/** What the second kernel must say that /proof hashes to. */
export const PROOF_SHA256 = hexOf(sha256(proof));

/** The libraries of an executable as this machine's loader finds them; of a static one, none. */
function librariesOf(path: string): string[] {
  const step = `List the libraries of ${path}`;
  // ldd fails for a static executable, so its words count.
  const output = runCommand(step, ["bash", "-c", 'ldd "$1" 2>&1 || true', "ldd", path]);
  if (output.includes("not a dynamic executable")) return [];
  const found = [...output.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map((m) => m[1] ?? "");
  if (found.length > 0 && !output.includes("not found")) return found;
  throw new Problem({ step, reason: output });
}

function executable(path: string, from: string): CpioFile {
  return { path, data: new Uint8Array(readFileSync(from)), mode: 0o755 };
}

/** An executable of this machine at a path of the VM, with its libraries. */
export function withLibraries(path: string, from: string): CpioFile[] {
  const libraries = librariesOf(from).map((library) => executable(library, library));
  return [executable(path, from), ...libraries];
}

/** A command of this machine, in /bin of the VM, with its libraries. */
export function executableInVm(command: string): CpioFile[] {
  const path = Bun.which(command);
  if (path !== null) return withLibraries(`/bin/${command}`, path);
  throw new Problem({ step: `Put ${command} into the virtual machine`, reason: "it is not here" });
}

/** A library of this machine that the kexec under test opens where it finds it. */
export function libraryInVm(name: string): CpioFile[] {
  const path = join("/usr/lib/x86_64-linux-gnu", name);
  return withLibraries(join("/lib/x86_64-linux-gnu", name), path);
}

/** busybox and init: what both kernels need. */
function userSpace(): CpioFile[] {
  const busybox = Bun.which("busybox") ?? "/bin/busybox";
  return [...withLibraries("/bin/busybox", busybox), executable("/init", INIT)];
}

/** kexec-tools in a folder of its own, so that its libraries do not help the kexec under test. */
function kexecTools(): CpioFile[] {
  if (!existsSync(KEXEC_TOOLS)) return [];
  const program = `${IN_VM.kexecTools}.bin`;
  const libraries = librariesOf(KEXEC_TOOLS)
    .filter((path) => !path.includes("/ld-linux"))
    .map((path) => executable(join(LIBRARIES_OF_KEXEC_TOOLS, basename(path)), path));
  const start = `#!/bin/sh\nLD_LIBRARY_PATH=${LIBRARIES_OF_KEXEC_TOOLS} exec ${program} "$@"\n`;
  return [
    executable(program, KEXEC_TOOLS),
    ...libraries,
    { path: IN_VM.kexecTools, data: start, mode: 0o755 },
  ];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The second kernel's initrd, which `IN_VM.initrd` is. */
export function smallInitrd(): Uint8Array {
  return joined(cpio([...userSpace(), { path: "/proof", data: proof }]));
}

/**
 * libxenctrl and what it needs, where the loader of the VM looks by itself: for cases in which the
 * kexec under test finds it.
 */
export function xenLibraries(): CpioFile[] {
  return librariesOf(KEXEC_TOOLS)
    .filter((path) => basename(path).startsWith("libxen"))
    .map((path) => executable(path, path));
}

/** libxenctrl itself, on this machine. */
export function xenLibraryPath(): string {
  const path = librariesOf(KEXEC_TOOLS).find((one) => basename(one).startsWith("libxenctrl.so"));
  if (path !== undefined) return path;
  throw new Problem({ step: "Find libxenctrl", reason: `${KEXEC_TOOLS} does not need it` });
}

export interface RigSetup {
  /** The kexec under test, on this machine. */
  readonly kexec: string;
  /** The kernel that kexec loads. */
  readonly vmlinuz: string;
  /** For the first kernel, in /boot/modules. */
  readonly modules: readonly KernelModule[];
}

/** Modules where the first kernel finds them. */
export function moduleFiles(modules: readonly KernelModule[]): CpioFile[] {
  return modules.map(({ name, path }) => ({
    path: `/boot/modules/${name}.ko`,
    data: new Uint8Array(readFileSync(path)),
  }));
}

/** The first kernel's initramfs without its case, as parts to be written one after the other. */
export function rig({ kexec, vmlinuz, modules }: RigSetup): Uint8Array[] {
  const data = (path: string) => new Uint8Array(readFileSync(path));
  return cpio([
    ...userSpace(),
    ...withLibraries(IN_VM.onekexec, kexec),
    ...kexecTools(),
    { path: IN_VM.kernel, data: data(vmlinuz) },
    { path: IN_VM.initrd, data: smallInitrd() },
    ...moduleFiles(modules),
  ]);
}

/** An archive that follows the rig's: the case, and files of its own. */
export function caseArchive(script: string, files: readonly CpioFile[]): Uint8Array[] {
  return cpio([{ path: "/case.sh", data: script }, ...files]);
}
