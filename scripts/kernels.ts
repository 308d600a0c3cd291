/** Debian's kernels for virtual machines, and the modules that these load; never installed here. */

import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { ensureFiles } from "./debian.ts";

export const KERNEL_SERIES = ["6.1", "6.12"] as const;
export type KernelSeries = (typeof KERNEL_SERIES)[number];

/** What a kernel needs to mount an ext4 on a virtio disk, each after those that it needs itself. */
export const DISK_MODULES = [
  ...["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev"],
  ...["virtio_pci", "virtio_blk", "crc32c_generic", "crc16", "mbcache", "jbd2", "ext4"],
] as const;
/**
 * No kernel has them built in: the driver of QEMU's e1000 network card, what a dom0 needs to speak
 * to Xen, and what reads disks.
 */
const KERNEL_MODULES = ["e1000", "xen-privcmd", "xen-evtchn", "xenfs", ...DISK_MODULES] as const;

/** The DRM driver of QEMU's VGA and what it needs, in the order in which they are loaded. */
const GRAPHICS_MODULES = [
  "drm",
  "drm_kms_helper",
  "ttm",
  "drm_ttm_helper",
  "drm_vram_helper",
  "bochs",
] as const;

/** The drivers of persistent memory that `memmap=…!…` makes, and of records in RAM (ramoops), with
 * what they need, in the order in which they are loaded. */
const PERSISTENT_MODULES = [
  ...["libnvdimm", "nd_btt", "nd_pmem", "nd_e820"],
  ...["reed_solomon", "ramoops"],
] as const;

/** File systems for files that are loaded from them. */
const FILE_SYSTEM_MODULES = ["overlay", "squashfs"] as const;

/** A module and the file that it is in here, not compressed. */
export interface KernelModule {
  readonly name: string;
  readonly path: string;
}

export interface Kernel {
  readonly series: KernelSeries;
  /** As `uname -r` says: `6.1.0-56-amd64`. */
  readonly release: string;
  readonly vmlinuz: string;
  /** What it was built with, as in /boot. */
  readonly config: string;
  readonly modules: readonly KernelModule[];
  /** For cases with a graphics card that a driver takes. */
  readonly graphicsModules: readonly KernelModule[];
  /** For cases with memory that outlives a kernel. */
  readonly persistentModules: readonly KernelModule[];
  /** For cases with an overlayfs or a squashfs. */
  readonly fileSystemModules: readonly KernelModule[];
}

/** Modules that a series has in its kernels instead. */
const BUILT_IN: Record<KernelSeries, readonly string[]> = {
  "6.1": [],
  "6.12": [
    ...["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev"],
    "virtio_pci",
  ],
};

/** The signed kernel packages of a series: not for clouds, not real-time, no debug symbols. */
const PACKAGES: Record<KernelSeries, string> = {
  "6.1": "^linux-image-6\\.1\\.0-[0-9]+-amd64$",
  "6.12": "^linux-image-6\\.12\\.[0-9]+(\\+deb[0-9]+)?-amd64$",
};

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
  const names = KERNEL_MODULES.filter((one) => !BUILT_IN[series].includes(one));
  const all = [...names, ...GRAPHICS_MODULES, ...PERSISTENT_MODULES, ...FILE_SYSTEM_MODULES];
  const files = all.map((one) => [`${one}.ko`, `**/${one}.ko*`]);
  const wanted = {
    title: `Debian's kernel ${series}`,
    names: PACKAGES[series],
    folder: join(cacheFolder("linux"), series),
    files: {
      vmlinuz: "**/boot/vmlinuz-*",
      config: "**/boot/config-*",
      ...Object.fromEntries(files),
    },
  };
  const { name, path } = ensureFiles(wanted, say, refresh);
  const module = (one: string): KernelModule => ({ name: one, path: path(`${one}.ko`) });
  return {
    series,
    release: name.replace(/^linux-image-/, ""),
    vmlinuz: path("vmlinuz"),
    config: path("config"),
    modules: names.map(module),
    graphicsModules: GRAPHICS_MODULES.map(module),
    persistentModules: PERSISTENT_MODULES.map(module),
    fileSystemModules: FILE_SYSTEM_MODULES.map(module),
  };
}
