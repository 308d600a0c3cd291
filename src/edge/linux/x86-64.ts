/**
 * Reads what only Linux on x86_64 shows: the firmware's memory map, boot_params, the BIOS's disk
 * drives (EDD), the displays and their drivers, and where the kernel is mapped.
 */

import { readSync } from "node:fs";
import { checkBootParams, findAcpiRsdp } from "../../arch/x86-64/facts/boot-params.ts";
import { EDD, parseEddDevice } from "../../arch/x86-64/facts/edd.ts";
import { textOf } from "../../core/bytes.ts";
import { fail } from "../../core/error.ts";
import { CPUINFO, CPUINFO_START, type CpuFacts, parseCpuinfo } from "../../facts/cpu-flags.ts";
import {
  DRM,
  firmwareFramebufferMemory,
  PCI_DEVICES,
  PROC_FB,
  parsePciClass,
  parsePciMemory,
  parseProcFb,
} from "../../facts/display.ts";
import {
  efiMapWasAdded,
  FIRMWARE_MEMMAP,
  fixMemoryRanges,
  parseFirmwareMemmap,
  withoutRealModeIvt,
} from "../../facts/firmware-memmap.ts";
import {
  FBIOGET_FSCREENINFO,
  FBIOGET_VSCREENINFO,
  FbFixScreeninfo,
  FbVarScreeninfo,
  parseFramebuffer,
} from "../../facts/framebuffer.ts";
import { IOMEM, iomemMemoryRanges } from "../../facts/iomem.ts";
import {
  findStext,
  KALLSYMS,
  KCORE,
  KCORE_HEADER_SIZE,
  kcoreHeadersSize,
  kernelMapping,
  pageOffsetOf,
  parseKcore,
  USUAL_PAGE_OFFSET,
} from "../../facts/kernel-text.ts";
import { MOUNTS, mountPoints } from "../../facts/mounts.ts";
import type { DisplayDevice, DisplayFacts, FramebufferFacts } from "../../model/display.ts";
import { type FactNote, noteOf } from "../../model/fact-note.ts";
import type { MemoryMap } from "../../model/host-facts.ts";
import type { MemoryRange } from "../../model/memory.ts";
import type { EddDevice } from "../../model/x86-64.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";
import type {
  ArchitectureReader,
  FactsInput,
  Ioctl,
  KernelMapping,
} from "./architecture-reader.ts";

/** The firmware's memory map. @throws KexecError where the directory is missing, or any of its
 * files is missing or damaged */
function readFirmwareMemmap(files: PseudoFiles, notes: FactNote[]): MemoryRange[] {
  const entries = files.names(FIRMWARE_MEMMAP).map((name) => ({
    name,
    start: files.text(`${FIRMWARE_MEMMAP}/${name}/start`),
    end: files.text(`${FIRMWARE_MEMMAP}/${name}/end`),
    type: files.text(`${FIRMWARE_MEMMAP}/${name}/type`),
  }));
  const memmap = parseFirmwareMemmap(entries);
  notes.push(...memmap.notes.map((note) => noteOf(note, "memory map")));
  return fixMemoryRanges(memmap.ranges);
}

/** The memory map from /sys/firmware/memmap; from /proc/iomem where that is missing, or where
 * add_efi_memmap has extended the kernel's map beyond it. [kexec-tools] */
function readMemoryMap({ files, resources, bootCommandLine, notes }: FactsInput): MemoryMap | null {
  const remark = (text: string): void => void notes.push({ source: "memory map", text });
  if (bootCommandLine !== null && efiMapWasAdded(bootCommandLine)) {
    remark(`The kernel was booted with add_efi_memmap, so the memory map is from ${IOMEM}.`);
  } else {
    const ranges = attempt(notes, () => readFirmwareMemmap(files, notes), "memory map");
    if (ranges !== null) return { source: "firmware-memmap", ranges: withoutRealModeIvt(ranges) };
    remark(`${FIRMWARE_MEMMAP} cannot be used, so the memory map is from ${IOMEM}.`);
  }
  if (resources === null) return null;
  return { source: "iomem", ranges: withoutRealModeIvt(iomemMemoryRanges(resources)) };
}

const BOOT_PARAMS = "/sys/kernel/boot_params/data";

/** Other paths of boot_params: sysfs and debugfs may be mounted on any directory. */
function otherPlaces(files: PseudoFiles): string[] {
  const mounts = attempt([], () => files.text(MOUNTS)) ?? "";
  return [
    ...mountPoints(mounts, "sysfs").map((directory) => `${directory}/kernel/boot_params/data`),
    ...mountPoints(mounts, "debugfs").map((directory) => `${directory}/boot_params/data`),
  ];
}

/** The 4096 bytes of boot_params; null and a note where no path has them. */
function readBootParams(files: PseudoFiles, notes: FactNote[]): Uint8Array | null {
  const problems: FactNote[] = [];
  const read = (path: string): Uint8Array | null =>
    attempt(problems, () => checkBootParams(files.bytes(path), path));
  const usual = read(BOOT_PARAMS);
  if (usual !== null) return usual;
  for (const path of otherPlaces(files)) {
    const bytes = path === BOOT_PARAMS ? null : read(path);
    if (bytes !== null) return bytes;
  }
  notes.push(...problems.slice(0, 1));
  return null;
}

function readDevice(files: PseudoFiles, name: string): EddDevice {
  const text = (file: string): string | null => files.optionalText(`${EDD}/${name}/${file}`);
  return parseEddDevice(name, {
    version: text("version"),
    extensions: text("extensions"),
    legacy_max_cylinder: text("legacy_max_cylinder"),
    legacy_max_head: text("legacy_max_head"),
    legacy_sectors_per_track: text("legacy_sectors_per_track"),
    mbr_signature: text("mbr_signature"),
    raw_data: files.optionalBytes(`${EDD}/${name}/raw_data`),
  });
}

/** The BIOS's drives, sorted by number. Empty and a note where there is no EDD, or where the entry
 * of any drive is damaged. [kexec-tools] */
function readEdd(files: PseudoFiles, notes: FactNote[]): EddDevice[] {
  const devices = attempt(notes, () =>
    files
      .names(EDD)
      .filter((name) => name.startsWith("int13_dev"))
      .map((name) => readDevice(files, name)),
  );
  return devices ?? [];
}

/** The prefix of device paths in sysfs. The readers of displays make no notes about missing files:
 * most machines that load kernels have no screen, and many kernels are built without DRM. */
const DEVICES = /^\/sys\/devices\//;
const SYSFS_DEVICES = "/sys/devices";

const linkName = (files: PseudoFiles, link: string): string | null => {
  const target = files.target(link);
  return target === null ? null : target.slice(target.lastIndexOf("/") + 1);
};

function commonOf(files: PseudoFiles, at: string): Pick<DisplayDevice, "path" | "bus" | "driver"> {
  return {
    path: (files.target(at) ?? at).replace(DEVICES, ""),
    bus: linkName(files, `${at}/subsystem`),
    driver: linkName(files, `${at}/driver`),
  };
}

/** The PCI device, if it is a graphics card. One whose class is damaged is none. */
function pciDisplay(files: PseudoFiles, at: string): DisplayDevice | null {
  const file = `${at}/class`;
  const text = files.text(file);
  const kind = attempt([], () => parsePciClass(text, file));
  if (kind === null || !kind.display) return null;
  const isBootVga = kind.vga && /^1\n?$/.test(files.optionalText(`${at}/boot_vga`) ?? "");
  const memory = parsePciMemory(files.text(`${at}/resource`));
  return { ...commonOf(files, at), drm: false, vga: isBootVga, memory };
}

/** The devices of DRM drivers, PCI devices or not. Names such as `card0-HDMI-A-1` are outputs of
 * `card0` and are left out. */
function drmDevices(files: PseudoFiles): DisplayDevice[] {
  return files
    .optionalNames(DRM)
    .filter((name) => /^card\d+$/.test(name))
    .map((name) => {
      const common = commonOf(files, `${DRM}/${name}/device`);
      return { ...common, drm: true, vga: false, memory: [] };
    });
}

/** Who shows something on which screen; null, and a note, where any of it cannot be read: whoever
 * is overlooked may have the screen. */
function readDisplay(input: FactsInput): DisplayFacts | null {
  return attempt(input.notes, () => displayOf(input));
}

/** @throws KexecError `facts.*` */
function displayOf({ files, resources }: FactsInput): DisplayFacts {
  // Without sysfs every device is missing.
  files.names(SYSFS_DEVICES);
  const drm = drmDevices(files);
  const pci = files
    .optionalNames(PCI_DEVICES)
    .map((name) => pciDisplay(files, `${PCI_DEVICES}/${name}`))
    .filter((device) => device !== null)
    .map((device) => ({ ...device, drm: drm.some(({ path }) => path === device.path) }));
  const others = drm.filter(({ path }) => pci.every((device) => device.path !== path));
  return {
    framebuffers: parseProcFb(files.optionalText(PROC_FB) ?? ""),
    firmwareMemory: firmwareFramebufferMemory(resources ?? []),
    devices: [...pci, ...others],
  };
}

const FB0 = "/dev/fb0";

/** The mode and memory of the first framebuffer device; null and a note where it has none. */
function readFramebuffer(
  files: PseudoFiles,
  ioctl: Ioctl,
  notes: FactNote[],
): FramebufferFacts | null {
  return attempt(notes, () =>
    files.opened(FB0, (fd) => {
      const ask = (request: number, name: string, size: number): Uint8Array => {
        const answer = new Uint8Array(size);
        const result = ioctl(fd, request, answer);
        if (result >= 0) return answer;
        return fail({
          code: "facts.framebuffer",
          message: `${FB0}: ioctl ${name} failed with error ${-result}`,
        });
      };
      return parseFramebuffer(
        ask(FBIOGET_FSCREENINFO, "FBIOGET_FSCREENINFO", FbFixScreeninfo.size),
        ask(FBIOGET_VSCREENINFO, "FBIOGET_VSCREENINFO", FbVarScreeninfo.size),
      );
    }),
  );
}

/** Bytes of one read(2): /proc/kallsyms has some hundred thousand lines, and `_stext` is among the
 * first. */
const KALLSYMS_PART = 1 << 16;

/**
 * Reads a file in chunks of up to `length` bytes, each when the caller takes it.
 * @throws the system's error
 */
function* partsOf(fd: number, length: number): Generator<Uint8Array> {
  for (;;) {
    const bytes = new Uint8Array(length);
    const got = readSync(fd, bytes, 0, length, null);
    if (got === 0) return;
    yield bytes.subarray(0, got);
  }
}

/** Up to `length` bytes from the start of a file. /proc/kcore is as long as the address space, so
 * that it cannot be read whole. */
function readStart(files: PseudoFiles, path: string, length: number): Uint8Array {
  return files.opened(path, (fd) => {
    const parts: Uint8Array[] = [];
    let have = 0;
    for (const part of partsOf(fd, length)) {
      parts.push(part);
      have += part.length;
      if (have >= length) break;
    }
    return new Uint8Array(Buffer.concat(parts).subarray(0, length));
  });
}

const UNKNOWN_CPU = { fiveLevelPaging: null, virtualBits: null, encryptedMemory: null } as const;

function readCpu(files: PseudoFiles): CpuFacts {
  return parseCpuinfo(textOf(readStart(files, CPUINFO, CPUINFO_START)));
}

/** The virtual address of `_stext`; null where /proc/kallsyms lacks it, or shows its address as
 * 0. */
function readStext(files: PseudoFiles): bigint | null {
  return files.opened(KALLSYMS, (fd) => {
    let rest = "";
    for (const part of partsOf(fd, KALLSYMS_PART)) {
      const text = rest + textOf(part);
      const end = text.lastIndexOf("\n") + 1;
      const found = findStext(text.slice(0, end));
      if (found !== null) return found;
      rest = text.slice(end);
    }
    return findStext(rest);
  });
}

/** Where /proc/kcore says that the kernel's text and the direct mapping are. The two notes are
 * kexec-tools' own messages. [kexec-tools] */
function readKernelMapping({ files, notes }: FactsInput, physical: bigint | null): KernelMapping {
  const remark = (text: string): void => void notes.push({ source: "kernel text", text });
  if (physical === null) remark("Cannot determine kernel physical load addr.");
  const readMappings = () => {
    const size = kcoreHeadersSize(readStart(files, KCORE, KCORE_HEADER_SIZE));
    return parseKcore(readStart(files, KCORE, size));
  };
  const mappings = attempt(notes, readMappings, "kernel text");
  if (mappings === null) return { kernelText: null, pageOffset: USUAL_PAGE_OFFSET };
  const pageOffset = pageOffsetOf(mappings);
  const mapping = kernelMapping(
    mappings,
    attempt(notes, () => readStext(files)),
  );
  if (mapping === null) remark("Can't find kernel text map area from kcore.");
  if (mapping === null || physical === null) return { kernelText: null, pageOffset };
  const size = mapping.end - mapping.start;
  return { kernelText: { physical, virtual: mapping.start, size }, pageOffset };
}

/** The reader of x86_64's facts. */
export const x8664Reader: ArchitectureReader = {
  readMemoryMap,
  readKernelMapping,
  readOwnFacts(input, efi) {
    const { files, ioctl, notes } = input;
    const bootParams = readBootParams(files, notes);
    return {
      acpiRsdp: findAcpiRsdp(bootParams, efi),
      x86_64: {
        bootParams,
        edd: readEdd(files, notes),
        display: readDisplay(input),
        ...(attempt(notes, () => readCpu(files)) ?? UNKNOWN_CPU),
        framebuffer: ioctl === null ? null : readFramebuffer(files, ioctl, notes),
      },
    };
  },
};
