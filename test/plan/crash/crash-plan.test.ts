/** Plans for crash kernels, on a recorded machine of bare Linux and one of Xen. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BootParams } from "../../../src/arch/x86-64/handoff/boot-params.ts";
import { Elf64_Ehdr, Elf64_Phdr, PT_LOAD, PT_NOTE } from "../../../src/core/elf.ts";
import { normalize, type Range, rangeSize, subtract } from "../../../src/core/range.ts";
import { E820Entry } from "../../../src/facts/e820-entry.ts";
import type { CrashFacts, HostFacts } from "../../../src/model/host-facts.ts";
import type { LoadRequest } from "../../../src/model/request.ts";
import { buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { requireCrashRegion } from "../../../src/plan/crash/crash-region.ts";
import { crashRoomWarnings } from "../../../src/plan/crash/crash-room.ts";
import { elfCoreHeader } from "../../../src/plan/crash/elf-core-header.ts";
import { purgatoryHead } from "../../../src/purgatory/parameters.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { refusal } from "../../kexec-error.ts";
import { machine } from "../golden.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../requests.ts";

/** The core header that kexec-tools printed on such a machine. */
const CRASH: CrashFacts = {
  memory: [
    { start: 0n, end: 0x1000n, type: "reserved" },
    { start: 0x1000n, end: 0x9fc00n, type: "ram" },
    { start: 0x9fc00n, end: 0xa0000n, type: "reserved" },
    { start: 0xf0000n, end: 0x100000n, type: "reserved" },
    { start: 0x100000n, end: 0x7ffe0000n, type: "ram" },
    { start: 0x7ffe0000n, end: 0x80000000n, type: "reserved" },
  ],
  cpuNotes: [{ start: 0x7e83a400n, end: 0x7e83a570n }],
  dom0Vmcoreinfo: null,
  vmcoreinfo: { start: 0x134c000n, end: 0x134d024n },
  kernelText: { physical: 0x2ae00000n, virtual: 0xffffffff86200000n, size: 0x3430000n },
  pageOffset: 0xff181b5a00000000n,
};
const LINUX: HostFacts = {
  ...machine("qemu-2g-vesa-edd-crash"),
  crashRegions: [{ start: 0x6e000000n, end: 0x7e000000n }],
  acpiRsdp: 0xf59d0n,
  crash: CRASH,
};
const XEN = machine("qemu-2g-xen-crash");

function plan(facts: HostFacts, request: Partial<LoadRequest> = {}) {
  const initrd = { path: "/boot/initrd", bytes: new Uint8Array(5000).fill(3) };
  return buildSegmentPlan(loadRequest({ purpose: "crash", ...request }), facts, {
    ...NO_FILES,
    kernel: { path: "/boot/vmlinuz", bytes: makeBzImage() },
    initrd,
  });
}

function bytesOf(made: ReturnType<typeof plan>, role: string): Uint8Array {
  const segment = made.segments.find((one) => one.role === role);
  if (segment === undefined) throw new Error(`no ${role}`);
  return segment.bytes;
}

const headersOf = (bytes: Uint8Array) =>
  Array.from({ length: Elf64_Ehdr.read(bytes).e_phnum }, (_, i) =>
    Elf64_Phdr.read(bytes, 64 + 56 * i),
  );

describe.each([
  ["Linux", LINUX, { start: 0x6e000000n, end: 0x7e000000n }],
  ["Xen", XEN, XEN.crashRegions[0] ?? { start: 0n, end: 0n }],
] as const)("%s", (_name, facts, region) => {
  test("all segments lie in the crash region", () => {
    const made = plan(facts);
    const loaded = made.segments.filter(({ role }) => role !== "mapped");
    expect(loaded.map(({ role }): string => role).sort()).toEqual([
      ...["backup", "boot-params", "elfcorehdr", "initrd", "kernel", "purgatory"],
    ]);
    for (const { start, size } of loaded) {
      expect(start >= region.start && start + size <= region.end).toBe(true);
    }
  });

  test("the purgatory saves the low memory, and checks all segments with bytes", () => {
    const made = plan(facts);
    const backup = made.segments.find(({ role }) => role === "backup");
    const told = purgatoryHead.read(bytesOf(made, "purgatory"), 0x10);
    expect(told.backup_destination).toBe(backup?.start ?? -1n);
    expect(told.backup_source < 0xa0000n).toBe(true);
    expect(told.backup_size <= (backup?.size ?? 0n)).toBe(true);
    expect(told.region_count).toBe(4);
  });

  test("the crash kernel's RAM is the reserved memory without segments, and the low memory", () => {
    const made = plan(facts);
    const count = BootParams.read(bytesOf(made, "boot-params")).e820_entries;
    const view = new DataView(bytesOf(made, "boot-params").slice().buffer, 0x2d0);
    const ram: Range[] = [];
    for (let i = 0; i < count; i += 1) {
      const start = view.getBigUint64(i * 20, true);
      if (view.getUint32(i * 20 + 16, true) !== 1) continue;
      ram.push({ start, end: start + view.getBigUint64(i * 20 + 8, true) });
    }
    expect(ram[0]?.end).toBe(0x9fc00n);
    for (const { start, end } of ram.slice(1)) {
      expect(start >= region.start && end <= region.end).toBe(true);
    }
    const kept = made.segments.filter(({ role }) => role === "elfcorehdr" || role === "backup");
    const all = kept.map(({ start, size }) => ({ start, end: start + size }));
    expect(subtract(ram, all)).toEqual(normalize(ram));
  });

  test("the core header has each range of RAM once, without the crash region", () => {
    const loads = headersOf(bytesOf(plan(facts), "elfcorehdr")).filter(
      ({ p_type, p_paddr }) => p_type === PT_LOAD && p_paddr !== CRASH.kernelText?.physical,
    );
    const ranges = loads.map(({ p_paddr, p_memsz }) => ({
      start: p_paddr,
      end: p_paddr + p_memsz,
    }));
    const ram = (facts.crash?.memory ?? []).filter(({ type }) => type === "ram");
    expect(normalize(ranges)).toEqual(subtract(ram, facts.crashRegions));
    const total = ranges.reduce((sum, r) => sum + rangeSize(r), 0n);
    expect(total).toBe(normalize(ranges).reduce((sum, r) => sum + rangeSize(r), 0n));
    const backup = plan(facts).segments.find(({ role }) => role === "backup");
    expect(loads[0]?.p_offset).toBe(backup?.start ?? -1n);
  });
});

test("each field of the core header has the value of kexec-tools", () => {
  const backup = { source: { start: 0x1000n, end: 0x9fc00n }, destination: 0x7df61000n };
  const ram = [
    { start: 0x1000n, end: 0x9fc00n },
    { start: 0x100000n, end: 0x6e000000n },
    { start: 0x7e000000n, end: 0x7ffe0000n },
  ];
  const bytes = elfCoreHeader(CRASH, ram, backup, 62);
  expect(bytes.length).toBe(1024);
  const found = headersOf(bytes).map((h) => [
    h.p_type,
    ...[h.p_offset, h.p_paddr, h.p_vaddr, h.p_filesz, h.p_memsz].map((n) => `0x${n.toString(16)}`),
  ]);
  // From kexec-tools' -d, case A7.
  expect(found).toEqual([
    [PT_NOTE, "0x7e83a400", "0x7e83a400", "0x0", "0x170", "0x170"],
    [PT_NOTE, "0x134c000", "0x134c000", "0x0", "0x1024", "0x1024"],
    [PT_LOAD, "0x2ae00000", "0x2ae00000", "0xffffffff86200000", "0x3430000", "0x3430000"],
    [PT_LOAD, "0x7df61000", "0x1000", "0xff181b5a00001000", "0x9ec00", "0x9ec00"],
    [PT_LOAD, "0x100000", "0x100000", "0xff181b5a00100000", "0x6df00000", "0x6df00000"],
    [PT_LOAD, "0x7e000000", "0x7e000000", "0xff181b5a7e000000", "0x1fe0000", "0x1fe0000"],
  ]);
  expect(Elf64_Ehdr.read(bytes)).toMatchObject({ e_type: 4, e_machine: 62, e_phnum: 6 });
});

describe("the command line", () => {
  test("has elfcorehdr=, and the ACPI root pointer where EFI does not provide it", () => {
    const made = plan(LINUX);
    const header = made.segments.find(({ role }) => role === "elfcorehdr");
    expect(made.commandLine).toBe(
      `root=/dev/vda1 quiet acpi_rsdp=0xf59d0 elfcorehdr=${(header?.start ?? 0n) / 1024n}K`,
    );
    expect(plan({ ...LINUX, acpiRsdp: null }).commandLine).not.toContain("acpi_rsdp");
  });

  test("has the memory with --pass-memmap-cmdline; the memory map is then the machine's", () => {
    const made = plan(LINUX, { passMemmapCmdline: true });
    expect(made.commandLine).toMatch(
      /K memmap=exactmap memmap=635K@4K( memmap=\d+K@\d+K)+ nokaslr$/,
    );
    const count = BootParams.read(bytesOf(made, "boot-params")).e820_entries;
    expect(count).toBe(LINUX.memoryMap?.ranges.length ?? -1);
  });

  test("that is too long with elfcorehdr= is refused with its length", () => {
    const loader = { ...NO_LOADER, commandLine: "x".repeat(2040) };
    const error = refusal(() => plan(LINUX, { loader }));
    expect(error).toMatchObject({ message: "Command line overflow", exitStatus: 1 });
    expect(error.hint).toStartWith("With the 38 bytes that must be appended, the command line");
    const long = { ...loader, commandLine: "x".repeat(2100) };
    expect(refusal(() => plan(LINUX, { loader: long })).message).toStartWith("Cannot load ");
  });
});

describe("refuses", () => {
  const NONE = { ...LINUX, crashRegions: [] };
  const FIRST = "Memory for crashkernel is not reserved\nPlease reserve memory by passing";

  test("where no memory is reserved, in kexec-tools' words; the hint is the host's", () => {
    const error = refusal(() => plan({ ...NONE, bootCommandLine: "quiet" }));
    expect(error.message).toStartWith(FIRST);
    expect(error.exitStatus).toBe(1);
    expect(error.hint).toBe("Boot this kernel with crashkernel=256M, for example, and load again.");
    const failed = { ...NONE, bootCommandLine: "quiet crashkernel=9G" };
    expect(refusal(() => plan(failed)).hint).toStartWith("This kernel was booted with crashk");
    const xen = refusal(() => plan({ ...XEN, crashRegions: [] }));
    expect(xen.hint).toContain("Xen's command line");
  });

  test("--hotplug where the kernel does not support it", () => {
    const error = refusal(() => plan(LINUX, { hotplug: true }));
    expect(error.message).toContain("\nPath /sys/kernel/crash_elfcorehdr_size does not exist");
    expect(error.exitStatus).toBe(1);
    const small = { ...LINUX.kexec, crashElfcorehdrSize: 512n };
    expect(refusal(() => plan({ ...LINUX, kexec: small }, { hotplug: true })).message).toBe(
      "the core header has 1024 bytes, /sys/kernel/crash_elfcorehdr_size allows 512",
    );
  });

  test("a region that is too small, with its size", () => {
    const tiny = [{ start: 0x6e000000n, end: 0x6e100000n }];
    const error = refusal(() => plan({ ...LINUX, crashRegions: tiny }));
    expect(error.code).toBe("plan.no-room");
    expect(error.hint).toEndWith(
      "\nAll segments of a crash kernel must lie in the " +
        "1 MiB that crashkernel= reserved at 0x6e000000.",
    );
  });
});

test("--hotplug: the core header has the kernel's size, and no digest", () => {
  const kexec = { ...LINUX.kexec, crashElfcorehdrSize: 0x20000n };
  const made = plan({ ...LINUX, kexec }, { hotplug: true });
  const header = made.segments.find(({ role }) => role === "elfcorehdr");
  expect(header).toMatchObject({ size: 0x20000n, digest: null });
  expect(made.hotplug).toBe(true);
});

test("a crash region that is too small causes a warning", () => {
  const small = [{ start: 0x6e000000n, end: 0x70000000n }];
  const { warnings } = plan({ ...LINUX, crashRegions: small });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toStartWith(
    "the crash region is too small: 30.3 MiB are left of the 32 MiB at 0x6e000000, ",
  );
  expect(plan(LINUX).warnings).toEqual([]);
});

describe("crashkernel=SIZE,cma", () => {
  const small = [{ start: 0x6e000000n, end: 0x70000000n }];
  const crashCma = [{ start: 0x40000000n, end: 0x48000000n }];
  const made = plan({ ...LINUX, crashRegions: small, crashCma });

  test("is room that counts", () => {
    expect(plan({ ...LINUX, crashRegions: small }).warnings).toHaveLength(1);
    expect(made.warnings).toEqual([]);
  });

  test("is the crash kernel's RAM, and no place for segments", () => {
    const params = BootParams.read(bytesOf(made, "boot-params"));
    const entries = Array.from({ length: params.e820_entries }, (_, i) =>
      E820Entry.read(params.e820_table, i * E820Entry.size),
    );
    expect(entries).toContainEqual({ addr: 0x40000000n, size: 0x8000000n, type: 1 });
    for (const { start } of made.segments) expect(start >= 0x6e000000n).toBe(true);
  });

  test("is not dumped", () => {
    const loads = headersOf(bytesOf(made, "elfcorehdr")).filter(({ p_type }) => p_type === PT_LOAD);
    const holds = (at: bigint) =>
      loads.some(
        (h) => h.p_paddr <= at && at < h.p_paddr + h.p_memsz && h.p_vaddr < 2n ** 64n - 2n ** 31n,
      );
    expect([0x3fffffffn, 0x40000000n, 0x47ffffffn, 0x48000000n].map(holds)).toEqual([
      ...[true, false, false, true],
    ]);
  });
});

describe("how much of the region an unpacked initrd may take", () => {
  const MIB = 1n << 20n;
  const all = { start: 0x60000000n, end: 0x60000000n + 228n * MIB };
  const region = requireCrashRegion({ ...LINUX, crashRegions: [all] });
  // 128 MiB are left beside 100 MiB, of which 70 are the initrd.
  const warned = (commandLine: string | null, initrd = 70n) =>
    crashRoomWarnings(region, { total: 100n * MIB, initrd: initrd * MIB }, commandLine).length ===
    1;

  test.each<[string | null, boolean]>([
    [null, true],
    ["quiet", true],
    ["initramfs_options=size=90%", false],
    ["initramfs-options=nr_inodes=1k,size=60%", false],
    ["initramfs_options=size=54%", true],
    ["initramfs_options=size=90% initramfs_options=size=50%", true],
    ["initramfs_options=size=10%,size=90%", false],
    ["initramfs_options=size=100M", false],
    ["initramfs_options=size=0", false],
    ["initramfs_options=mode=755", true],
    ["root=/dev/vda1", false],
    ["root=/dev/vda1 rootfstype=tmpfs", true],
    ["rootfstype=ramfs", false],
    ["-- initramfs_options=size=90%", true],
  ])("%j", (commandLine, want) => {
    expect(warned(commandLine)).toBe(want);
  });

  test("the kernel needs its 32 MiB all the same", () => {
    expect(warned("initramfs_options=size=90%", 97n)).toBe(true);
    expect(warned("initramfs_options=size=90%", 96n)).toBe(false);
  });
});

test("of two regions the higher one gets the segments, and both are the crash kernel's RAM", () => {
  const low = { start: 0x2000000n, end: 0x4000000n };
  const made = plan({ ...LINUX, crashRegions: [low, ...LINUX.crashRegions] });
  for (const { start } of made.segments) expect(start >= 0x6e000000n).toBe(true);
});

test("the core header maps any address of RAM to its place", () => {
  const bytes = bytesOf(plan(LINUX), "elfcorehdr");
  const loads = headersOf(bytes).filter(({ p_type }) => p_type === PT_LOAD);
  const address = fc.bigInt(0x100000n, 0x7ffdffffn);
  fc.assert(
    fc.property(address, (at) => {
      const inside = (h: (typeof loads)[number]) => h.p_paddr <= at && at < h.p_paddr + h.p_memsz;
      const found = loads.filter(inside).filter(({ p_vaddr }) => p_vaddr < 0xffffffff80000000n);
      const reserved = at >= 0x6e000000n && at < 0x7e000000n;
      expect(found).toHaveLength(reserved ? 0 : 1);
      for (const h of found) expect(h.p_vaddr - h.p_paddr).toBe(CRASH.pageOffset);
    }),
  );
});
