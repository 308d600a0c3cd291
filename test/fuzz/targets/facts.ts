/** What the kernel, the firmware and the hypervisor say of the machine, and files of facts. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkBootParams, findAcpiRsdp } from "../../../src/arch/x86-64/facts/boot-params.ts";
import { type EddFiles, parseEddDevice } from "../../../src/arch/x86-64/facts/edd.ts";
import { buildEddTables } from "../../../src/arch/x86-64/handoff/edd-info.ts";
import { textOf } from "../../../src/core/bytes.ts";
import { architectureOfCapabilities } from "../../../src/edge/xen/capabilities.ts";
import { hasXenInterrupts, parseXenFeatures } from "../../../src/edge/xen/decide-host.ts";
import { xenctrlNames } from "../../../src/edge/xen/library-names.ts";
import { guestMemory } from "../../../src/edge/xen/machine-to-phys.ts";
import { xenMemoryMap } from "../../../src/edge/xen/memory-map.ts";
import { pageSizeOfAuxv } from "../../../src/facts/auxv.ts";
import { parseCrashNotes, parseVmcoreinfoPlace } from "../../../src/facts/crash-notes.ts";
import {
  firmwareFramebufferMemory,
  parsePciClass,
  parsePciMemory,
  parseProcFb,
} from "../../../src/facts/display.ts";
import { parseEfiRuntimeMapEntry, parseEfiSystab } from "../../../src/facts/efi.ts";
import { factsFromJson, factsToJson } from "../../../src/facts/facts-file.ts";
import { fixMemoryRanges, parseFirmwareMemmap } from "../../../src/facts/firmware-memmap.ts";
import { parseFramebuffer } from "../../../src/facts/framebuffer.ts";
import {
  iomemCrashRegions,
  iomemDumpRanges,
  iomemKernelCode,
  iomemMemoryRanges,
  iomemUsableRam,
  parseIomem,
} from "../../../src/facts/iomem.ts";
import { hasKernelParameter } from "../../../src/facts/kernel-parameter.ts";
import { findStext, kernelMapping, parseKcore } from "../../../src/facts/kernel-text.ts";
import { parseKexecFlag, parseKexecSize } from "../../../src/facts/kexec-state.ts";
import { parseLockdown } from "../../../src/facts/lockdown.ts";
import { architectureOfMachine } from "../../../src/facts/machine-name.ts";
import { parseMemTotal } from "../../../src/facts/meminfo.ts";
import { mountPoints } from "../../../src/facts/mounts.ts";
import { parseCapEff } from "../../../src/facts/proc-status.ts";
import { parseNumber } from "../../../src/facts/sysfs-number.ts";
import { diagnose } from "../../../src/plan/diagnosis.ts";
import { DoctorJson } from "../../../src/plan/json-schema.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { makeElf } from "../../images/make-elf.ts";
import { pattern } from "../../plan/pieces.ts";
import { bytesTarget, textTarget } from "../target.ts";
import { planBoth } from "./plans.ts";

const IOMEM = `00000000-00000fff : Reserved
00001000-0009fbff : System RAM
000a0000-000bffff : PCI Bus 0000:00
00100000-7ffdffff : System RAM
  01000000-01e01fff : Kernel code
  02000000-0288dfff : Kernel rodata
  2c000000-3bffffff : Crash kernel
80000000-800fffff : Persistent Memory (legacy)
fd000000-fdffffff : 0000:00:02.0
  fd000000-fd2fffff : BOOTFB
100000000-1bfffffff : System RAM
  140000000-1bfffffff : GART
`;

function readIomem(text: string): void {
  const { resources } = parseIomem(text);
  iomemMemoryRanges(resources);
  iomemDumpRanges(resources);
  iomemKernelCode(resources);
  iomemUsableRam(resources);
  iomemCrashRegions(resources);
  firmwareFramebufferMemory(resources);
}

/** One entry a line: start, end, type. */
const MEMMAP = [
  "0x0 0x9fbff System RAM",
  "0x9fc00 0x9ffff Reserved",
  "0x100000 0x7ffdffff System RAM",
  "0x7ffe0000 0x7fffffff ACPI Tables",
  "0x100000000 0x1bfffffff System RAM",
  "0x1c0000000 0x1cfffffff Soft Reserved",
].join("\n");

function readMemmap(text: string): void {
  const entries = text.split("\n").map((line, i) => {
    const [start = "", end = "", ...type] = line.split(" ");
    return { name: String(i), start, end, type: type.join(" ") };
  });
  fixMemoryRanges(parseFirmwareMemmap(entries).ranges);
}

function readEfi(text: string): void {
  parseEfiSystab(text);
  const [type = "", phys_addr = "", virt_addr = "", num_pages = "", attribute = ""] =
    text.split("\n");
  parseEfiRuntimeMapEntry({ name: "0", type, phys_addr, virt_addr, num_pages, attribute });
}

const MACHINES = [
  ...["qemu-1g-bios", "qemu-2g-xen-crash", "qemu-uefi-crash", "qemu-6g-crash-high"],
  "qemu-2g-vesa-edd-crash",
];
const FOLDER = join(import.meta.dir, "../../facts/machines");
const machineText = (name: string): string => textOf(readFileSync(join(FOLDER, `${name}.json`)));

const KERNEL = makeBzImage();

/** Facts that pass the schema can be saved and read again, and plans made with them, and what the
 * doctor says of them programs can read. */
function planFor(text: string): void {
  const facts = factsFromJson(text);
  factsFromJson(factsToJson(facts));
  planBoth(facts, KERNEL);
  const host = { name: "linux", evidence: [], probes: [], loaded: false, crashLoaded: null };
  const json: DoctorJson = { format: 1, ...diagnose(facts, host) };
  DoctorJson.parse(JSON.parse(JSON.stringify(json)));
}

/** The names of a drive's folder and of its files, line by line; its raw data in hexadecimal. */
const EDD_DRIVE = [
  ...["int13_dev80", "0x30", "Fixed disk access\rEnhanced Disk Drive support\r64-bit extensions"],
  ...["0x3ff", "0xf", "0x3f", "0x5ca3b8e2", "1e00010000000000000000000000000000002000000000000002"],
].join("\n");

function readEdd(text: string): void {
  const [name = "", version = "", extensions = "", ...more] = text.split("\n");
  const [cylinder = null, head = null, sectors = null, signature = null, raw = ""] = more;
  const device = parseEddDevice(name, {
    ...{ version, extensions: extensions.replaceAll("\r", "\n") },
    legacy_max_cylinder: cylinder,
    legacy_max_head: head,
    legacy_sectors_per_track: sectors,
    mbr_signature: signature,
    raw_data: raw === "" ? null : new Uint8Array(Buffer.from(raw, "hex")),
  });
  const again = parseEddDevice("int13_dev85", { ...NO_EDD_FILES, version: "0x21" });
  buildEddTables([device, again, device]);
}

const NO_EDD_FILES: EddFiles = {
  ...{ version: null, extensions: null, legacy_max_cylinder: null, legacy_max_head: null },
  ...{ legacy_sectors_per_track: null, mbr_signature: null, raw_data: null },
};

/** Its headers, and no memory. @param count of the mappings of memory: a GiB each */
function kcore(count: number): Uint8Array {
  const none = new Uint8Array(0);
  const memory = Array.from({ length: count }, (_, i) => {
    const physical = BigInt(i) * 0x8000_0000n;
    const virtual = 0xffff_8880_0000_0000n + physical;
    return { physical, virtual, bytes: none, memorySize: 0x4000_0000n };
  });
  const text = { physical: 0x100_0000n, virtual: 0xffff_ffff_8100_0000n, bytes: none };
  return makeElf({
    ...{ bits: 64, type: 4 },
    parts: [{ ...text, memorySize: 0x200_0000n }, ...memory],
  });
}

function readKcore(bytes: Uint8Array): void {
  const mappings = parseKcore(bytes);
  kernelMapping(mappings, 0xffffffff81000000n);
}

const text = (name: string, seed: string, run: (text: string) => unknown) =>
  textTarget(`facts/${name}`, [seed], run);
const bytes = (name: string, seed: Uint8Array, run: (bytes: Uint8Array) => unknown) =>
  bytesTarget(`facts/${name}`, () => [seed], run);

/** Entries of 20 bytes: address, size, type. */
const E820 = new Uint8Array(
  Buffer.from(
    "000000000000000000fc0900000000000100000000001000000000000000f07f0000000001000000",
    "hex",
  ),
);

export const FACTS = [
  text("iomem", IOMEM, readIomem),
  text("firmware-memmap", MEMMAP, readMemmap),
  text("efi", "7\n0x7f000000\n0x0\n0x10\n0xf\nACPI20=0x7f77e014\nSMBIOS=0x7f6d1000\n", readEfi),
  text("crash-notes", "7f000000\n368\n", (input) => {
    const [notes = "", size = ""] = input.split("\n");
    parseCrashNotes(notes, size, "/sys/devices/system/cpu/cpu0/crash_notes");
  }),
  text("vmcoreinfo", "0x000000000134c000 1024\n", parseVmcoreinfoPlace),
  text("number", "0x1000\n", (input) => parseNumber(input, "FILE")),
  text("kexec-flag", "1\n", (input) => parseKexecFlag(input, "FILE")),
  text("kexec-size", "268435456\n", (input) => parseKexecSize(input, "FILE")),
  text("lockdown", "[none] integrity confidentiality\n", parseLockdown),
  text("meminfo", "MemTotal:        1000000 kB\nMemFree:  10 kB\n", parseMemTotal),
  text("mounts", "proc /proc proc rw 0 0\nsys\\040fs /sys sysfs rw 0 0\n", (input) =>
    mountPoints(input, "sysfs"),
  ),
  text("status", "Name:\tkexec\nCapEff:\t000001ffffffffff\n", parseCapEff),
  text("kallsyms", "ffffffff81000000 T _stext\nffffffff81000010 T x\n", findStext),
  text("kernel-parameter", "quiet add_efi_memmap root=/dev/sda", (input) =>
    hasKernelParameter(input, "add_efi_memmap"),
  ),
  text("machine-name", "x86_64", architectureOfMachine),
  text("proc-fb", "0 EFI VGA\n1 bochs-drmdrmfb\n", parseProcFb),
  text("pci-class", "0x030000\n", (input) => parsePciClass(input, "FILE")),
  text("pci-resource", "0xfd000000 0xfdffffff 0x00042208\n0x0 0x0 0x0\n", parsePciMemory),
  text("xen-capabilities", "xen-3.0-x86_64 hvm-3.0-x86_32 ", architectureOfCapabilities),
  text("xen-features", "00002705\n", parseXenFeatures),
  text("interrupts", " 16: 5 xen-percpu-virq timer0\n", hasXenInterrupts),
  text("library-names", "4.17\nlibxenctrl.so.4.17 (libc6) => /lib/libxenctrl.so.4.17\n", (input) =>
    xenctrlNames(input.split("\n")[0] ?? null, input),
  ),
  text("edd", EDD_DRIVE, readEdd),
  textTarget("facts/file", MACHINES.map(machineText), planFor),
  // More than a thousand headers are more than 64 KiB.
  bytesTarget("facts/kcore", () => [kcore(1), kcore(1500)], readKcore),
  bytes(
    "auxv",
    new Uint8Array(Buffer.from(`${"06".padEnd(16, "0")}0010${"0".repeat(12)}`, "hex")),
    pageSizeOfAuxv,
  ),
  bytes("boot-params", pattern(4096), (input) =>
    findAcpiRsdp(checkBootParams(input, "FILE"), null),
  ),
  bytes("framebuffer", pattern(240), (input) =>
    parseFramebuffer(input.subarray(0, 80), input.subarray(80)),
  ),
  bytes("xen-memory-map", E820, xenMemoryMap),
  bytes("xen-machine-to-phys", new Uint8Array(4096).fill(0x55), (input) =>
    guestMemory(input, 0x1000n, 16),
  ),
];
