/**
 * Crash kernels on machines where something is wrong: what both kexecs say, and with which status
 * they end. And where ours goes on and does better.
 */

import { describe, expect, test } from "bun:test";
import { PT_NOTE } from "../../src/core/elf.ts";
import { differs, runBoth, same, TIMEOUT_MS } from "./compare.ts";
import { type CrashMachine, filesOf, iomemOf, recorded, withMemory } from "./crash-machine.ts";
import { difference } from "./differences.ts";
import { INITRD, KERNEL, KERNEL_PIECE, MISSING, VMLINUX } from "./inputs.ts";
import { coreHeaderOf, e820Of, type Loaded, load } from "./loaded.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

type Files = Record<string, string | Uint8Array>;

const MACHINE = recorded("qemu-2g-vesa-edd-crash");
const FILES: Files = filesOf(MACHINE);
const CPU = "/sys/devices/system/cpu";

function without(...paths: string[]): Files {
  return Object.fromEntries(Object.entries(FILES).filter(([path]) => !paths.includes(path)));
}

const on = (files: Files) => ({ machine: { files } });
const LOAD = ["-c", "-p", KERNEL, `--initrd=${INITRD}`];
const GIB = 1 << 30;
const MIB = 1 << 20;

/** The same words and status, on the machine with these files. */
function alike(what: string, files: Files, argv: readonly string[] = LOAD): void {
  describe(what, () => same(argv, on(files)));
}

describe("alike", () => {
  alike("a kernel that is not there", FILES, ["-c", "-p", MISSING]);
  alike("no kernel", FILES, ["-p"]);
  alike("the region's size", FILES, ["--print-ckr-size"]);
  alike("a command line with no room", FILES, [...LOAD, `--append=${"x".repeat(2030)}`]);
  alike("no kcore", without("/proc/kcore"));
  alike("a kcore that is none", { ...FILES, "/proc/kcore": "this is no ELF file" });
  const { "/proc/kcore": empty = "" } = filesOf(withoutText());
  alike("a kcore without the kernel", { ...FILES, "/proc/kcore": empty });
  const iomem = iomemOf(MACHINE).replace("Kernel code", "code");
  alike("an iomem without the kernel's code", { ...FILES, "/proc/iomem": iomem });
  alike("no region", { ...FILES, "/proc/iomem": iomemOf({ ...MACHINE, crashRegions: [] }) });
});

function withoutText(): CrashMachine {
  return { ...MACHINE, crash: { ...MACHINE.crash, kernelText: null } };
}

/** Room for the kernel and the initrd, and for little more. */
const SMALL = withMemory(MACHINE, MACHINE.crash.memory, [GIB, GIB + 80 * MIB]);

test(
  `${difference("crash-room").id}: a region that is too small is warned of`,
  async () => {
    const { theirs, ours } = await runBoth(LOAD, on(filesOf(SMALL)));
    expect(theirs).toMatchObject({ status: 0, stdout: [], stderr: [] });
    const [warning = "", ...others] = ours.stderr;
    expect(warning).toMatch(
      /^Warning: the crash region is too small: 1\d\.\d MiB are left of the 80 MiB at 0x40000000, /,
    );
    expect({ ...ours, stderr: others }).toEqual({ ...theirs, stderr: [] });
  },
  TIMEOUT_MS,
);

describe("what a dump cannot be without", () => {
  differs(
    "crash-facts",
    LOAD,
    {
      theirs: { status: 0 },
      ours: {
        status: 1,
        calls: [],
        stderr: ["Cannot open /sys/kernel/vmcoreinfo: No such file or directory"],
      },
    },
    on(without("/sys/kernel/vmcoreinfo")),
  );
  for (const [path, text] of [
    ["/sys/kernel/vmcoreinfo", "somewhere"],
    [`${CPU}/cpu0/crash_notes`, "somewhere"],
  ] as const) {
    differs(
      "crash-facts",
      LOAD,
      {
        theirs: { status: 1 },
        ours: { status: 1, stderr: [`Cannot parse ${path}: "${text}\\n"`] },
      },
      on({ ...FILES, [path]: `${text}\n` }),
    );
  }
});

describe("--hotplug", () => {
  const theirs = {
    status: 1,
    stdout: ["(usage)"],
    stderr: ["kexec: unrecognized option '--hotplug'"],
    calls: [],
  };
  const release = (number: number) => number < 28;
  const size = "/sys/kernel/crash_elfcorehdr_size";
  const lines = [
    `Cannot open ${size}: No such file or directory`,
    `Path ${size} does not exist, the kernel needs CONFIG_CRASH_HOTPLUG`,
  ];
  for (const argv of [
    [...LOAD, "--hotplug"],
    ["-l", "--hotplug", KERNEL],
    ["-u", "--hotplug"],
  ]) {
    const ours = { status: 1, stdout: [], stderr: lines };
    differs("release", argv, { theirs, ours, release }, on(FILES));
  }
  // kexec-tools reads seven bytes of the file.
  const call = `kexec_load flags 0x3e0005; ${KERNEL_PIECE}; initrd: 3000001 bytes in 0x2dd000 -> 0`;
  const ours = { status: 0, stdout: [], stderr: [], calls: [call] };
  const files = { ...FILES, [size]: "65536\n" };
  differs("release", [...LOAD, "--hotplug"], { theirs, ours, release }, on(files));
});

const loadOn = (binary: string, files: Files): Promise<Loaded> => load(binary, LOAD, { files });

/** Where each CPU's notes are said to be: vmcoreinfo's, the last, left out. */
const notesOf = (loaded: Loaded): bigint[] =>
  coreHeaderOf(loaded)
    .headers.filter(({ p_type }) => p_type === PT_NOTE)
    .map(({ p_paddr }) => p_paddr)
    .slice(0, -1);

test.concurrent(
  `${difference("crash-cpus").id}: numbers of CPUs that are left out`,
  async () => {
    const files = {
      ...FILES,
      [`${CPU}/possible`]: "0,2\n",
      [`${CPU}/cpu2/crash_notes`]: "7777000\n",
      [`${CPU}/cpu2/crash_notes_size`]: "368\n",
    };
    const theirs = notesOf(await loadOn(KEXEC_TOOLS, files));
    const ours = notesOf(await loadOn(ONEKEXEC, files));
    expect(theirs).toEqual(ours.slice(0, 1));
    expect(ours[1]).toBe(0x7777000n);
  },
  TIMEOUT_MS,
);

test.concurrent(
  `${difference("crash-low-memory").id}: RAM that goes on beyond 640 KiB`,
  async () => {
    const memory = [{ start: 0n, end: BigInt(GIB), type: "ram" as const }];
    const files = filesOf(withMemory(MACHINE, memory, [512 * MIB, 768 * MIB]));
    const theirs = await loadOn(KEXEC_TOOLS, files);
    const ours = await loadOn(ONEKEXEC, files);
    expect(coreHeaderOf(theirs).backup).toBeNull();
    const { backup, headers } = coreHeaderOf(ours);
    expect(ours.segments.map(({ mem }) => mem)).toContain(backup ?? -1n);
    const low = headers.find(({ p_paddr, p_memsz }) => p_paddr === 0n && p_memsz === 0xa0000n);
    expect(low?.p_offset).toBe(backup ?? -1n);
    expect(low?.p_filesz).toBe(0xa0000n);
    expect(e820Of(ours)[0]).toEqual({ start: 0n, end: 0xa0000n, type: 1 });
  },
  TIMEOUT_MS,
);

differs(
  "crash-vmlinux",
  ["-c", "-p", VMLINUX, "--args-linux"],
  {
    theirs: {
      status: 1,
      stderr: ["Invalid memory segment 0x1000000 - 0x1000fff"],
      calls: [],
    },
    ours: {
      status: 0,
      stdout: [],
      stderr: [],
      calls: ["kexec_load flags 0x3e0001; kernel:; initrd: -> 0"],
    },
  },
  on(FILES),
);

differs(
  "crash-region",
  LOAD,
  {
    theirs: { status: 255, stderr: [`Cannot load IN/vmlinuz`] },
    ours: {
      status: 254,
      stderr: [
        "No crash kernel segment found in /proc/iomem",
        "Please check the crashkernel= boot parameter.",
      ],
    },
  },
  on({ ...FILES, "/proc/iomem": iomemOf({ ...MACHINE, crashRegions: overlapping() }) }),
);

function overlapping() {
  const [region] = MACHINE.crashRegions;
  if (region === undefined) throw new Error("no region");
  return [region, { start: region.start + 0x100000n, end: region.end + 0x100000n }];
}
