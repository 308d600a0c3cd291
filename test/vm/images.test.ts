/**
 * Small images of every type say what they are given. Where kexec-tools starts them too, it gives
 * the same, addresses and its own name apart.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { difference } from "../conformance/differences.ts";
import { makeBeoboot } from "../images/make-nbi.ts";
import { nbi, program, zImage } from "./images/build.ts";
import { bootMachine, CONSOLE, debianKernel, type MachineRun } from "./machine.ts";
import { IN_VM, smallInitrd } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const IMAGE = "/f/image";
const MODULES = ["/f/first one two", "/f/second"];
const FILES = [
  { path: "/f/first", data: Uint8Array.from({ length: 5001 }, (_, i) => i & 0xff) },
  { path: "/f/second", data: Uint8Array.of(1, 2, 3) },
];
const FIRST_SUM = FILES[0]?.data.reduce((sum, byte) => sum + byte, 0) ?? 0;
const WORDS = 'first "two  three" last';
const PREFIX = "IMAGE ";

interface Case {
  readonly name: string;
  readonly image: () => Uint8Array;
  readonly type: string;
  readonly modules?: boolean;
}

/** A machine in which `tool` loads and starts the image; nothing comes after that. */
function machineFor(tool: string, name: string, image: Uint8Array, options: string) {
  return bootMachine({
    name,
    kexec: KEXEC,
    caseScript: `run acpi sh -c "dmesg | grep 'ACPI: RSDT'"
run load ${tool} -c -l ${IMAGE} ${options}
run exec ${tool} -e
`,
    extraFiles: [{ path: IMAGE, data: image }, ...FILES],
  });
}

/** What the image said. */
function said({ lines }: MachineRun): string[] {
  return lines
    .filter(({ text }) => text.startsWith(PREFIX))
    .map(({ text }) => text.slice(PREFIX.length).trimEnd());
}

/** Lines with `key`, without it. */
const valuesOf = (lines: readonly string[], key: string): string[] =>
  lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));

/** Without the loader's name and version. */
const anonymous = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/^(loader|text) ((one)?kexec|[\d.]+)( [\d.]+)?$/, "$1"));

function optionsOf({ modules, type }: Case): string {
  const given = modules === true ? MODULES.map((words) => ` --module="${words}"`).join("") : "";
  return `-t ${type} --command-line='${WORDS}'${given}`;
}

async function bothSay(c: Case): Promise<{ theirs: string[]; ours: string[]; run: MachineRun }> {
  const image = c.image();
  const options = optionsOf(c);
  const [theirRun, run] = await Promise.all([
    machineFor(IN_VM.kexecTools, `image-${c.name}-theirs`, image, options),
    machineFor(IN_VM.onekexec, `image-${c.name}`, image, options),
  ]);
  withLog(theirRun, () => expect(theirRun.runs.get("load")?.status).toBe(0));
  withLog(run, () => expect(run.runs.get("load")?.status).toBe(0));
  return { theirs: said(theirRun), ours: said(run), run };
}

beforeAll(() => buildKexec(), VM_TIMEOUT);

describe("images that kexec-tools starts too", () => {
  test.each<Case>([
    { name: "elf32", image: () => program(32), type: "elf-x86" },
    { name: "elf64", image: () => program(64), type: "elf-x86_64" },
  ])(
    "$name",
    async (c) => {
      const { theirs, ours, run } = await bothSay(c);
      withLog(run, () => {
        expect(anonymous(ours)).toEqual(anonymous(theirs));
        expect(ours).toContain(`text ${WORDS}`);
        expect(ours).toContain("text onekexec");
        expect(ours.at(-1)).toBe("end");
      });
    },
    VM_TIMEOUT,
  );

  const header = { multiboot: "MULTIBOOT", multiboot2: "MULTIBOOT2" } as const;
  test.each(["multiboot", "multiboot2"] as const)(
    `${difference("multiboot-info").id}: %s`,
    async (name) => {
      const image = () => program(32, header[name]);
      const { theirs, ours, run } = await bothSay({
        name,
        image,
        type: `${name}-x86`,
        modules: true,
      });
      withLog(run, () => {
        const kib = (lines: readonly string[]) =>
          [...valuesOf(lines, "lower"), ...valuesOf(lines, "upper")].map(Number);
        expect(kib(ours)).toEqual([639, 0x3fee0000 / 1024]);
        expect(kib(theirs)).toEqual(kib(ours).map((number) => number - 1));
        const rest = (lines: readonly string[]) =>
          anonymous(lines).filter((line) => !/^(lower|upper|acpi|tag 0x(0|e)$)/.test(line));
        expect(rest(ours)).toEqual(rest(theirs));
        const ends = name === "multiboot2" ? 1 : 0;
        expect([ours, theirs].map((all) => all.filter((one) => one === "tag 0x0").length)).toEqual([
          ends,
          0,
        ]);
        // A BIOS's is an old one, which the first kernel found too.
        const table = /RSDT 0x0*([0-9A-F]+)/
          .exec(run.runs.get("acpi")?.output ?? "")?.[1]
          ?.toLowerCase();
        const tags = name === "multiboot2" ? [`0x14 0x0 0x${table}`] : [];
        expect([valuesOf(ours, "acpi"), valuesOf(theirs, "acpi")]).toEqual([tags, []]);
        expect(valuesOf(ours, "command-line")).toEqual([`${IMAGE} ${WORDS}`]);
        expect(valuesOf(ours, "module")).toEqual([
          `0x0 0x1389 0x${FIRST_SUM.toString(16)} ${MODULES[0]}`,
          `0x0 0x3 0x6 ${MODULES[1]}`,
        ]);
        expect(valuesOf(ours, "memory").length).toBeGreaterThan(4);
        expect(ours.at(-1)).toBe("end");
      });
    },
    VM_TIMEOUT,
  );
});

describe("network boot images", () => {
  const alike = ["magic 0x1b031336", "head 0x7c00", "reply-below 0x1", "reply 0x0"];
  // cli, hlt, and a jump back.
  const back = "back 0xfcebf4fa";

  test(
    "of 16 bits: the BIOS answers, and its clock ticks",
    async () => {
      const run = await machineFor(IN_VM.onekexec, "image-nbi16", nbi(16), "");
      withLog(run, () => {
        const ours = said(run);
        const firmware = ["video-columns 0x50", "ticks 0x2"];
        expect(ours.slice(0, 8)).toEqual([...alike, back, "interrupts 0x1", ...firmware]);
        const e820 = run.lines
          .map(({ text }) => /^FIRST e820=.*mem 0x0*([0-9a-f]*)-/.exec(text)?.[1])
          .filter((start) => start !== undefined)
          .map((start) => `0x${start === "" ? "0" : start}`);
        expect(e820.length).toBeGreaterThan(4);
        expect(valuesOf(ours, "memory").map((area) => area.split(" ")[0])).toEqual(e820);
        expect(ours.at(-1)).toBe("end");
      });
    },
    VM_TIMEOUT,
  );

  test(
    "of 32 bits",
    async () => {
      const run = await machineFor(IN_VM.onekexec, "image-nbi32", nbi(32), "-t nbi-x86");
      withLog(run, () => expect(said(run)).toEqual([...alike, back, "interrupts 0x0", "end"]));
    },
    VM_TIMEOUT,
  );
});

test(
  "a zImage finds its kernel at 64 KiB, and is entered as the boot protocol says",
  async () => {
    const options = `-t bzImage --append='${WORDS}'`;
    const run = await machineFor(IN_VM.onekexec, "image-zimage", zImage(), options);
    withLog(run, () => {
      expect(said(run)).toEqual([
        ...["segment 0x9000", "same-segments 0x1", "sp 0x9800", "interrupts 0x0"],
        // "ZIMG"
        "kernel 0x474d495a",
        ...[`command-line ${WORDS}`, "end"],
      ]);
    });
  },
  VM_TIMEOUT,
);

describe("a beoboot image", () => {
  test.each([
    ["by segments", "-c -t beoboot-x86"],
    ["by files", "-s"],
    ["in real mode", "--real-mode"],
  ])(
    "%s",
    async (title, options) => {
      const kernel = new Uint8Array(readFileSync(debianKernel().vmlinuz));
      const commandLine = `${CONSOLE} second`;
      const image = makeBeoboot({
        ...{ kernel, initrd: smallInitrd() },
        commandLine: `${commandLine}\0`,
      });
      const tool = IN_VM.onekexec;
      const run = await bootMachine({
        name: `beoboot-${title.replaceAll(" ", "-")}`,
        kexec: KEXEC,
        caseScript: `run load ${tool} ${options} -l ${IMAGE}\nrun exec ${tool} -e\n`,
        extraFiles: [{ path: IMAGE, data: image }],
      });
      withLog(run, () => {
        expect(run.runs.get("load")).toMatchObject({ status: 0 });
        expectSecondKernel(run, commandLine);
      });
    },
    VM_TIMEOUT,
  );
});
