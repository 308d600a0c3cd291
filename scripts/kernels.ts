/**
 * Debian's kernels for virtual machines: downloaded by apt-get and unpacked into the cache
 * directory, never installed. Once there they are used again, checked by their digests.
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheFolder, fillFolder } from "./cache.ts";
import { Problem, runCommand } from "./command.ts";

export const KERNEL_SERIES = ["6.1", "6.12"] as const;
export type KernelSeries = (typeof KERNEL_SERIES)[number];

export interface Kernel {
  readonly series: KernelSeries;
  /** As `uname -r` says: `6.1.0-56-amd64`. */
  readonly release: string;
  readonly vmlinuz: string;
  /** The driver of QEMU's e1000 network card, not compressed: neither kernel has one built in. */
  readonly e1000: string;
}

/** The signed kernel packages of a series: not for clouds, not real-time, no debug symbols. */
const PACKAGES: Record<KernelSeries, string> = {
  "6.1": "^linux-image-6\\.1\\.0-[0-9]+-amd64$",
  "6.12": "^linux-image-6\\.12\\.[0-9]+(\\+deb[0-9]+)?-amd64$",
};

interface Stamp {
  readonly release: string;
  readonly vmlinuz: string;
  readonly e1000: string;
}

function sha256OfFile(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

function readStamp(folder: string): Stamp | null {
  try {
    return JSON.parse(readFileSync(join(folder, "stamp.json"), "utf8"));
  } catch {
    // Nothing there, or cut short: the kernel is fetched.
    return null;
  }
}

/** What an earlier run left, if it is still what it was. */
function cachedKernel(series: KernelSeries, folder: string): Kernel | null {
  const stamp = readStamp(folder);
  if (stamp === null) return null;
  const kernel = kernelIn(series, folder, stamp.release);
  if (!existsSync(kernel.vmlinuz) || sha256OfFile(kernel.vmlinuz) !== stamp.vmlinuz) return null;
  if (!existsSync(kernel.e1000) || sha256OfFile(kernel.e1000) !== stamp.e1000) return null;
  return kernel;
}

function kernelIn(series: KernelSeries, folder: string, release: string): Kernel {
  const path = (name: string) => join(folder, name);
  return { series, release, vmlinuz: path("vmlinuz"), e1000: path("e1000.ko") };
}

/** The newest package of a series that Debian offers; null where it offers none. */
function newestPackage(series: KernelSeries): string | null {
  const step = `Look for Debian's kernel ${series}`;
  const output = runCommand(step, ["apt-cache", "search", "--names-only", PACKAGES[series]]);
  const names = output.split("\n").map((line) => line.split(" ")[0] ?? "");
  return names.sort(new Intl.Collator("en", { numeric: true }).compare).at(-1) || null;
}

/** Puts vmlinuz, e1000.ko and a stamp into `folder`. */
function unpack(name: string, deb: string, folder: string): void {
  const step = `Unpack ${name}`;
  const tree = join(folder, "tree");
  mkdirSync(tree);
  const script =
    'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | ' +
    'tar -x -C "$2" --wildcards "./boot/vmlinuz-*" "*/e1000.ko*"';
  runCommand(step, ["bash", "-c", script, "unpack", deb, tree]);
  const release = name.replace(/^linux-image-/, "");
  renameSync(join(tree, "boot", `vmlinuz-${release}`), join(folder, "vmlinuz"));
  const found = readdirSync(tree, { recursive: true, encoding: "utf8" });
  const driver = found.find((path) => /\/e1000\.ko(\.xz)?$/.test(path));
  if (driver === undefined) throw new Problem({ step, reason: "it has no e1000.ko" });
  const path = join(folder, "e1000.ko");
  renameSync(join(tree, driver), driver.endsWith(".xz") ? `${path}.xz` : path);
  if (driver.endsWith(".xz")) runCommand(step, ["xz", "-d", `${path}.xz`]);
  rmSync(tree, { recursive: true });
  const stamp: Stamp = {
    release,
    vmlinuz: sha256OfFile(join(folder, "vmlinuz")),
    e1000: sha256OfFile(path),
  };
  writeFileSync(join(folder, "stamp.json"), `${JSON.stringify(stamp)}\n`);
}

function download(name: string, folder: string): void {
  const step = `Download ${name}`;
  const advice = "look at the network, and try 'apt-get update'";
  runCommand(step, ["apt-get", "-q", "download", name], { cwd: folder, advice });
  const deb = readdirSync(folder).find((file) => file.endsWith(".deb"));
  if (deb === undefined) throw new Problem({ step, reason: "apt-get left no .deb file", advice });
  unpack(name, join(folder, deb), folder);
  rmSync(join(folder, deb));
}

/**
 * The newest kernel of a series, from the cache directory or from Debian; `refresh` fetches the
 * package lists, and is called where they do not lead to a kernel.
 * @throws Problem
 */
export function ensureKernel(
  series: KernelSeries,
  say: (line: string) => void,
  refresh: () => void,
): Kernel {
  const folder = join(cacheFolder("kernels"), series);
  const cached = cachedKernel(series, folder);
  if (cached !== null) return cached;
  let name = newestPackage(series);
  if (name === null) {
    refresh();
    name = newestPackage(series);
  }
  if (name === null) {
    throw new Problem({
      step: `Look for Debian's kernel ${series}`,
      reason: `no package is named ${PACKAGES[series]}`,
      advice: "Debian 12 has it: put its archive, security too, into /etc/apt/sources.list",
    });
  }
  say(`Download ${name}`);
  const fetch = (newest: string) => fillFolder(folder, (fresh) => download(newest, fresh));
  try {
    fetch(name);
  } catch (error) {
    // Old lists name packages that are gone; with new ones a second failure is final.
    if (!(error instanceof Problem) || process.getuid?.() !== 0) throw error;
    refresh();
    fetch(newestPackage(series) ?? name);
  }
  const fetched = cachedKernel(series, folder);
  if (fetched !== null) return fetched;
  throw new Problem({ step: `Unpack ${name}`, reason: `${folder} is not what was written there` });
}
