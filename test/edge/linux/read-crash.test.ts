/** The facts for a crash kernel, read from fake machines. */

import { afterAll, describe, expect, test } from "bun:test";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr } from "../../../src/core/elf.ts";
import { readFacts } from "../../../src/edge/linux/read-facts.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { sentencesOf } from "../../facts/sentences.ts";
import { type Files, fakeRoot, LINUX, MEMMAP, quiet, removeFakeRoots } from "./fake-machine.ts";

afterAll(removeFakeRoots);

const TEXT = 0xffffffff86200000n;

function kcore(...loads: readonly (readonly [start: bigint, size: bigint])[]): Uint8Array {
  const bytes = new Uint8Array(0x2000 + loads.length * 56);
  Elf64_Ehdr.write(bytes, {
    e_ident: ELF64_IDENT,
    e_phoff: 64n,
    e_phentsize: 56,
    e_phnum: loads.length,
  });
  for (const [i, [p_vaddr, p_memsz]] of loads.entries()) {
    Elf64_Phdr.write(bytes, { p_type: 1, p_vaddr, p_memsz }, 64 + i * 56);
  }
  return bytes;
}

const CPU = "sys/devices/system/cpu";

const RUNNING: Files = {
  "proc/iomem": `00001000-0009fbff : System RAM
00100000-3ffdffff : System RAM
  16e00000-17c01d31 : Kernel code
  2f000000-36ffffff : Crash kernel
`,
  "proc/kcore": kcore([TEXT, 0x3430000n], [0xff181b5a00001000n, 0x9e000n]),
  "proc/kallsyms": `0000000000000000 A fixed_percpu_data\n${TEXT.toString(16)} T _stext\n`,
  "sys/kernel/vmcoreinfo": "0x000000000134c000 1024\n",
  [`${CPU}/cpu0/crash_notes`]: "7e83a400\n",
  [`${CPU}/cpu0/crash_notes_size`]: "368\n",
};

const read = (...parts: Files[]): HostFacts =>
  readFacts({ ...quiet, root: fakeRoot(LINUX, MEMMAP, ...parts), crash: true });

const without = (files: Files, ...paths: string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([path]) => !paths.includes(path)));

test("readFacts reads all facts for a crash kernel", () => {
  const { crash, notes } = read(RUNNING);
  expect(crash).toEqual({
    memory: [
      { start: 0x1000n, end: 0x9fc00n, type: "ram" },
      { start: 0x100000n, end: 0x3ffe0000n, type: "ram" },
    ],
    cpuNotes: [{ start: 0x7e83a400n, end: 0x7e83a570n }],
    vmcoreinfo: { start: 0x134c000n, end: 0x134d024n },
    dom0Vmcoreinfo: null,
    kernelText: { physical: 0x16e00000n, virtual: TEXT, size: 0x3430000n },
    pageOffset: 0xff181b5a00000000n,
  });
  expect(
    sentencesOf({ notes }).filter((note) => /kcore|kallsyms|crash_notes|vmcoreinfo/.test(note)),
  ).toEqual([]);
});

test("without `crash`, none of them is read", () => {
  expect(readFacts({ ...quiet, root: fakeRoot(LINUX, MEMMAP, RUNNING) }).crash).toBeNull();
});

describe("the notes of the CPUs", () => {
  test("are in the order of the CPUs' numbers, for all CPUs that have notes", () => {
    const cpus: Files = {
      [`${CPU}/cpu10/crash_notes`]: "a0000\n",
      [`${CPU}/cpu2/crash_notes`]: "20000\n",
      [`${CPU}/cpu1/online`]: "0\n",
      [`${CPU}/cpufreq/crash_notes`]: "30000\n",
      [`${CPU}/online`]: "0,2,10\n",
    };
    const starts = read(RUNNING, cpus).crash?.cpuNotes.map(({ start }) => start);
    expect(starts).toEqual([0x7e83a400n, 0x20000n, 0xa0000n]);
  });

  test("are empty, with a note, where one CPU's are damaged", () => {
    const { crash, notes } = read(RUNNING, { [`${CPU}/cpu1/crash_notes`]: "?\n" });
    expect(crash?.cpuNotes).toEqual([]);
    expect(sentencesOf({ notes })).toContain(`Cannot parse /${CPU}/cpu1/crash_notes: "?\\n".`);
  });
});

describe("where the kernel is mapped", () => {
  const kernelText = { physical: 0x16e00000n, virtual: TEXT, size: 0x3430000n };

  test("_stext is found behind many symbols, across the borders of reads", () => {
    for (const filler of [65_510, 65_520, 65_536 - 17, 200_000]) {
      const before = `${"0000000000000000 A some_percpu_data\n".repeat(filler).slice(0, filler)}\n`;
      const kallsyms = `${before}${TEXT.toString(16)} T _stext\nffffffffa0000000 T later\n`;
      const { crash } = read(RUNNING, { "proc/kallsyms": kallsyms });
      expect(crash?.kernelText).toEqual(kernelText);
    }
  });

  test("without kallsyms, or with its addresses hidden, kcore's segment gives it", () => {
    const hidden = { "proc/kallsyms": "0000000000000000 T _stext\n" };
    expect(read(RUNNING, hidden).crash?.kernelText).toEqual(kernelText);
    const { crash, notes } = read(without(RUNNING, "proc/kallsyms"));
    expect(crash?.kernelText).toEqual(kernelText);
    expect(sentencesOf({ notes })).toContain("/proc/kallsyms: No such file or directory.");
  });

  test.each<[string, Files, string]>([
    ["no kcore", without(RUNNING, "proc/kcore"), "/proc/kcore: No such file or directory."],
    [
      "a kcore that is not ELF",
      { ...RUNNING, "proc/kcore": "no ELF" },
      "ELF core (kcore) parse failed: /proc/kcore has 6 bytes.",
    ],
    [
      "a kcore without the kernel",
      { ...RUNNING, "proc/kcore": kcore([0xff181b5a00001000n, 0x9e000n]) },
      "Can't find kernel text map area from kcore.",
    ],
    [
      "an iomem without the kernel's code",
      { ...RUNNING, "proc/iomem": "00001000-0009fbff : System RAM\n" },
      "Cannot determine kernel physical load addr.",
    ],
    [
      "a directory instead of kcore",
      { ...without(RUNNING, "proc/kcore"), "proc/kcore/x": "" },
      "/proc/kcore: EISDIR.",
    ],
  ])("%s: null, and a note", (_, files, note) => {
    const { crash, notes } = read(files);
    expect(crash?.kernelText).toBeNull();
    expect(sentencesOf({ notes })).toContain(note);
  });
});

test("a damaged vmcoreinfo is null, with a note", () => {
  const { crash, notes } = read(RUNNING, { "sys/kernel/vmcoreinfo": "somewhere\n" });
  expect(crash?.vmcoreinfo).toBeNull();
  expect(sentencesOf({ notes })).toContain('Cannot parse /sys/kernel/vmcoreinfo: "somewhere\\n".');
});

test("without any file the facts are empty, with notes", () => {
  const { crash, notes } = readFacts({ ...quiet, root: fakeRoot({}), crash: true });
  expect(crash).toEqual({
    memory: [],
    cpuNotes: [],
    vmcoreinfo: null,
    dom0Vmcoreinfo: null,
    kernelText: null,
    pageOffset: 0xffff888000000000n,
  });
  for (const path of ["/proc/kcore", `/${CPU}`, "/sys/kernel/vmcoreinfo"]) {
    expect(sentencesOf({ notes })).toContain(`${path}: No such file or directory.`);
  }
});

test("a kcore with more headers than 64 KiB have room for is read to its last one", () => {
  const others = Array.from({ length: 5000 }, (_, i): readonly [bigint, bigint] => [
    0xff181b5a00001000n + BigInt(i) * 0x10000n,
    0x1000n,
  ]);
  const large = { ...RUNNING, "proc/kcore": kcore(...others, [TEXT, 0x3430000n]) };
  const { crash } = read(large);
  expect(crash?.kernelText).toMatchObject({ size: 0x3430000n });
});

describe("crashkernel=SIZE,cma", () => {
  const RANGES = "100000000-10c7fffff\n40000000-47ffffff\n";
  const WANT = [
    { start: 0x40000000n, end: 0x48000000n },
    { start: 0x100000000n, end: 0x10c800000n },
  ];
  const cmaOf = (files: Files) => read(RUNNING, files);

  test.each(["sys/kernel/kexec/crash_cma_ranges", "sys/kernel/kexec_crash_cma_ranges"])(
    "is in /%s",
    (path) => expect(cmaOf({ [path]: RANGES }).crashCma).toEqual(WANT),
  );

  test("is nothing where no file is there, or it is empty", () => {
    expect(cmaOf({}).crashCma).toEqual([]);
    expect(cmaOf({ "sys/kernel/kexec/crash_cma_ranges": "" }).crashCma).toEqual([]);
  });

  test("is nothing where the file is damaged, and a note says so", () => {
    const facts = cmaOf({ "sys/kernel/kexec/crash_cma_ranges": "1000-\n" });
    expect(facts.crashCma).toEqual([]);
    expect(sentencesOf(facts).join()).toContain('"1000-" is no range START-END');
  });
});
