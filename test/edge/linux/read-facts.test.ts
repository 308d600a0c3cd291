import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, symlinkSync } from "node:fs";
import { machine, release } from "node:os";
import { join } from "node:path";
import { fail } from "../../../src/core/error.ts";
import { attempt } from "../../../src/edge/files/read-pseudo-files.ts";
import { type FactsSources, readFacts } from "../../../src/edge/linux/read-facts.ts";
import { readKexecState } from "../../../src/edge/linux/read-kexec-state.ts";
import { factsFromJson, factsToJson } from "../../../src/facts/facts-file.ts";
import { FbFixScreeninfo, FbVarScreeninfo } from "../../../src/facts/framebuffer.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { sentencesOf } from "../../facts/sentences.ts";
import {
  BOOT_PARAMS,
  bootParams,
  type Files,
  fakeRoot,
  LINUX,
  MEMMAP,
  quiet,
  read,
  removeFakeRoots,
} from "./fake-machine.ts";

afterAll(removeFakeRoots);

describe("a BIOS machine", () => {
  const facts = read(LINUX, MEMMAP, BOOT_PARAMS, {
    "sys/firmware/edd/int13_dev81/mbr_signature": "0x00000001\n",
    "sys/firmware/edd/int13_dev80/version": "0x30\n",
    "sys/firmware/edd/int13_dev80/legacy_max_head": "15\n",
    "sys/firmware/edd/int13_dev80/raw_data": new Uint8Array(74),
    "sys/firmware/edd/other": "",
    // Of many processors; the file is not read to its end.
    "proc/cpuinfo": (
      "processor\t: 0\nflags\t\t: fpu la57 pku\n" +
      "address sizes\t: 52 bits physical, 57 bits virtual\n\n"
    ).repeat(9999),
  });

  test("readFacts() reads all of it", () => {
    expect(facts).toMatchObject({
      format: 1,
      architecture: "x86_64",
      machine: "x86_64",
      kernelRelease: "6.1.0-test",
      kernelVersion: "#1 SMP Test",
      pageSize: 4096,
      memoryMap: {
        source: "firmware-memmap",
        ranges: [
          { start: 0x400n, end: 0x9fc00n, type: "ram" },
          { start: 0x9fc00n, end: 0xa0000n, type: "reserved" },
          { start: 0x100000n, end: 0x3ffe0000n, type: "ram" },
        ],
      },
      crashRegions: [{ start: 0x2f000000n, end: 0x37000000n }],
      efi: null,
      acpiRsdp: 0xf59d0n,
      x86_64: {
        ...{ framebuffer: null, fiveLevelPaging: true },
        ...{ virtualBits: 57, encryptedMemory: false },
      },
      kexec: {
        loaded: true,
        crashLoaded: false,
        crashSize: 1n << 27n,
        loadDisabled: false,
        crashElfcorehdrSize: 16384n,
      },
      lockdown: "integrity",
      capabilities: 0x1ffffffffffn,
      rngSeed: null,
    });
    expect(facts.x86_64?.bootParams).toEqual(bootParams);
    expect(
      facts.x86_64?.edd.map((d) => [d.device, d.version, d.legacyMaxHead, d.mbrSignature]),
    ).toEqual([
      [0x80, 0x30, 15, null],
      [0x81, 0, 0, 1],
    ]);
  });

  test("the command line is bytes, and loses only its newline", () => {
    // The test wrote UTF-8: each byte is one character.
    expect(facts.bootCommandLine).toBe("console=ttyS0 name=b\xc3\xa4r ");
  });

  test("the only note is about EFI", () => {
    expect(sentencesOf(facts)).toEqual(["/sys/firmware/efi: No such file or directory."]);
  });

  test("facts are the same after conversion to JSON and back", () => {
    expect(factsFromJson(factsToJson(facts))).toEqual(facts);
  });
});

const EFI: Files = {
  "sys/firmware/efi/systab": "ACPI20=0x3fb7e014\nSMBIOS=0x3f918000\n",
  "sys/firmware/efi/fw_vendor": "0x3f91d018\n",
  "sys/firmware/efi/runtime": "0x3f9ecb18\n",
  "sys/firmware/efi/config_table": "0x3f9ecc18\n",
};
function runtimeMap(...names: number[]): Files {
  const files: Record<string, string> = {};
  for (const name of names) {
    const directory = `sys/firmware/efi/runtime-map/${name}`;
    files[`${directory}/type`] = "0x5\n";
    files[`${directory}/phys_addr`] = `0x${(0x3f000000 + name * 0x1000).toString(16)}\n`;
    files[`${directory}/virt_addr`] = "0xfffffffeff000000\n";
    files[`${directory}/num_pages`] = "0x1\n";
    files[`${directory}/attribute`] = "0x800000000000000f\n";
  }
  return files;
}

describe("an EFI machine", () => {
  test("has its tables, and its runtime map in the kernel's order", () => {
    const facts = read(LINUX, MEMMAP, EFI, runtimeMap(0, 1, 2, 9, 10, 11));
    expect(facts.efi).toMatchObject({
      systab: [
        { name: "ACPI20", address: 0x3fb7e014n },
        { name: "SMBIOS", address: 0x3f918000n },
      ],
      fwVendor: 0x3f91d018n,
      runtime: 0x3f9ecb18n,
      configTable: 0x3f9ecc18n,
    });
    expect(facts.efi?.runtimeMap.map((d) => d.physAddr)).toEqual([
      0x3f000000n,
      0x3f001000n,
      0x3f002000n,
      0x3f009000n,
      0x3f00a000n,
      0x3f00b000n,
    ]);
    expect(facts.acpiRsdp).toBe(0x3fb7e014n);
  });

  test("a damaged runtime map is empty, with a note", () => {
    const broken = { "sys/firmware/efi/runtime-map/1/num_pages": "many\n" };
    const facts = read(LINUX, MEMMAP, EFI, runtimeMap(0, 1), broken);
    expect(facts.efi?.runtimeMap).toEqual([]);
    expect(facts.efi?.runtime).toBe(0x3f9ecb18n);
    expect(sentencesOf(facts).join()).toContain(
      'runtime-map/1/num_pages: "many\\n" is not a number',
    );
  });

  test("without systab the other files are still read", () => {
    const facts = read(LINUX, MEMMAP, { "sys/firmware/efi/fw_vendor": "0x1\n" });
    expect(facts.efi).toEqual({
      systab: [],
      fwVendor: 1n,
      runtime: null,
      configTable: null,
      runtimeMap: [],
    });
    expect(sentencesOf(facts)).toContain("/sys/firmware/efi/systab: No such file or directory.");
  });
});

/** Runs without root, which may read every file. */
function asNobody<T>(act: () => T): T {
  if (process.geteuid?.() !== 0) return act();
  process.seteuid?.(65534);
  try {
    return act();
  } finally {
    process.seteuid?.(0);
  }
}

describe("what may not be read", () => {
  test("a file without read permission is a note", () => {
    const root = fakeRoot(LINUX, EFI);
    chmodSync(root, 0o755);
    chmodSync(join(root, "sys/firmware/efi/systab"), 0);
    const { notes } = asNobody(() => readFacts({ ...quiet, root }));
    expect(sentencesOf({ notes })).toContain("/sys/firmware/efi/systab: Permission denied.");
  });

  test("a symbolic link to itself is a note", () => {
    const { "proc/iomem": _, ...rest } = LINUX;
    const root = fakeRoot(rest, MEMMAP);
    symlinkSync("iomem", join(root, "proc/iomem"));
    const { notes, memoryMap } = readFacts({ ...quiet, root });
    expect(sentencesOf({ notes })).toContain("/proc/iomem: ELOOP.");
    expect(memoryMap?.source).toBe("firmware-memmap");
  });

  test("a directory where a file should be is a note", () => {
    const { "proc/cmdline": _, ...rest } = LINUX;
    const facts = read(rest, { "proc/cmdline/x": "" });
    expect(facts.bootCommandLine).toBeNull();
    expect(sentencesOf(facts)).toContain("/proc/cmdline: EISDIR.");
  });
});

describe("boot_params", () => {
  const elsewhere = (data: Files, mounts: string): HostFacts =>
    read(LINUX, MEMMAP, data, { "proc/mounts": mounts });

  test("are found where sysfs is mounted on another directory", () => {
    const data = { "mnt/my sys/kernel/boot_params/data": bootParams };
    const facts = elsewhere(data, "none /mnt/my\\040sys sysfs rw 0 0\n");
    expect(facts.x86_64?.bootParams).toEqual(bootParams);
    expect(sentencesOf(facts)).toEqual(["/sys/firmware/efi: No such file or directory.", NO_EDD]);
  });

  test("are found in debugfs", () => {
    const data = { "dbg/boot_params/data": bootParams };
    const facts = elsewhere(data, "sysfs /sys sysfs rw 0 0\nd /dbg debugfs rw 0 0\n");
    expect(facts.acpiRsdp).toBe(0xf59d0n);
  });

  test("of another size are null", () => {
    const facts = read(LINUX, MEMMAP, { "sys/kernel/boot_params/data": bootParams.slice(1) });
    expect(facts.x86_64?.bootParams).toBeNull();
    expect(sentencesOf(facts)).toContain(
      "/sys/kernel/boot_params/data: 4095 bytes, but boot_params has 4096.",
    );
  });
});

const NO_EDD = "/sys/firmware/edd: No such file or directory.";

test("one damaged EDD drive means no EDD at all, with a note", () => {
  const facts = read(LINUX, {
    "sys/firmware/edd/int13_dev80/version": "0x30\n",
    "sys/firmware/edd/int13_dev81/version": "?\n",
  });
  expect(facts.x86_64?.edd).toEqual([]);
  expect(sentencesOf(facts).join()).toContain("int13_dev81/version");
});

test("without any file every fact is null or empty, with a note", () => {
  const facts = read({});
  expect(facts).toMatchObject({
    machine: machine(),
    kernelRelease: release(),
    pageSize: 4096,
    memoryMap: null,
    crashRegions: [],
    bootCommandLine: null,
    efi: null,
    acpiRsdp: null,
    x86_64: { bootParams: null, edd: [], framebuffer: null },
    kexec: {
      loaded: null,
      crashLoaded: null,
      crashSize: null,
      loadDisabled: null,
      crashElfcorehdrSize: null,
    },
    lockdown: null,
    capabilities: null,
  });
  for (const path of ["/proc/cmdline", "/proc/iomem", "/proc/self/auxv", "/proc/self/status"]) {
    expect(sentencesOf(facts)).toContain(`${path}: No such file or directory.`);
  }
});

describe("kexec's state", () => {
  test("is read from newer kernels' /sys/kernel/kexec where the old files are missing", () => {
    const root = fakeRoot({
      "sys/kernel/kexec/loaded": "0\n",
      "sys/kernel/kexec/crash_loaded": "1\n",
      "sys/kernel/kexec/crash_size": "4096\n",
      "sys/kernel/kexec/crash_elfcorehdr_size": "8192\n",
    });
    expect(readKexecState(root)).toEqual({
      loaded: false,
      crashLoaded: true,
      crashSize: 4096n,
      loadDisabled: null,
      crashElfcorehdrSize: 8192n,
    });
  });

  test("text that is not a number gives null", () => {
    const root = fakeRoot({ "sys/kernel/kexec_loaded": "yes\n" });
    expect(readKexecState(root).loaded).toBeNull();
  });
});

describe("the framebuffer", () => {
  const root = fakeRoot(LINUX, { "dev/fb0": "" });

  test("is read with the two ioctls", () => {
    const ioctl = (fd: number, request: number, argument: Uint8Array): number => {
      expect(fd).toBeGreaterThan(2);
      if (request === 0x4602) FbFixScreeninfo.write(argument, { smem_start: 0xfd000000n });
      else if (request === 0x4600) FbVarScreeninfo.write(argument, { xres: 1024 });
      else return -25;
      return 0;
    };
    const facts = readFacts({ ...quiet, root, ioctl });
    expect(facts.x86_64?.framebuffer).toMatchObject({ smemStart: 0xfd000000n, xres: 1024 });
  });

  test("is null with a note where an ioctl fails", () => {
    const facts = readFacts({ ...quiet, root, ioctl: () => -25 });
    expect(facts.x86_64?.framebuffer).toBeNull();
    expect(sentencesOf(facts)).toContain(
      "/dev/fb0: ioctl FBIOGET_FSCREENINFO failed with error 25.",
    );
  });
});

describe("the RNG seed", () => {
  const root = fakeRoot(LINUX);
  const seed = (getrandom: FactsSources["getrandom"]) =>
    readFacts({ ...quiet, root, ...(getrandom === undefined ? {} : { getrandom }) });

  test("has the 32 bytes that getrandom returns", () => {
    expect(seed((length) => new Uint8Array(length).fill(7)).rngSeed).toEqual(
      new Uint8Array(32).fill(7),
    );
  });

  test.each<[string, (length: number) => Uint8Array | null]>([
    ["getrandom has no bytes ready", () => null],
    ["getrandom returns too few bytes", () => new Uint8Array(31)],
    ["the C library is unusable", () => fail({ code: "host.no-jit", message: "no JIT" })],
  ])("is null with a note where %s", (_, getrandom) => {
    const facts = seed(getrandom);
    expect(facts.rngSeed).toBeNull();
    expect(sentencesOf(facts).join()).toContain("no random bytes");
  });
});

test("this machine: read with the real system calls, converted to JSON and back", () => {
  const facts = readFacts();
  expect(facts.machine).toBe(machine());
  expect(facts.rngSeed).toHaveLength(32);
  expect(factsFromJson(factsToJson(facts))).toEqual({ ...facts, rngSeed: null });
});

test("an error that is not a KexecError is thrown, not noted", () => {
  const bug = (): never => {
    throw new TypeError("bug");
  };
  expect(() => attempt([], bug)).toThrow(TypeError);
  expect(() => readFacts({ ...quiet, root: fakeRoot(LINUX), getrandom: bug })).toThrow(TypeError);
});
