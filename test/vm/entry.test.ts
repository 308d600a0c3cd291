/** Debian's kernel in a machine that booted, entered at its 32-bit and at its 16-bit entry. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { makeDtb } from "../images/make-dtb.ts";
import {
  bootMachine,
  CONSOLE,
  debianKernel,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;
const TREE = "/boot/tree.dtb";
const DTB = makeDtb("a machine");
const LOAD = `-l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${SECOND}"`;

interface Case extends Partial<MachineSetup> {
  readonly title: string;
  readonly name: string;
  readonly options: string;
  /** The digest of what the second kernel must have. */
  readonly deviceTree?: string;
}

const CASES: readonly Case[] = [
  { title: "--entry-32bit", name: "entry-32bit", options: "-a --entry-32bit" },
  {
    title: "-t bzImage after UEFI, with --dtb",
    name: "bzimage-uefi",
    firmware: "uefi",
    options: `-c -t bzImage --dtb=${TREE}`,
    extraFiles: [{ path: TREE, data: DTB }],
    deviceTree: hexOf(sha256(DTB)),
  },
  {
    title: "-t bzImage, RAM above 4 GiB",
    name: "bzimage-6g",
    memory: 6144,
    options: "-c -t bzImage",
  },
];

function expectSecond(run: MachineRun, words = SECOND): void {
  expect(run.runs.get("load")).toMatchObject({ status: 0 });
  expect(run.runs.get("plan")?.output).toContain(", bzImage, x86_64");
  expectSecondKernel(run, words, ["release", "cpus", "efi", "runtime-map", "boot-logo", "rsdp"]);
}

/** Debian's kernel with other words in its header. [x86-boot] 0x234, 0x236 */
function headed(change: (header: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(readFileSync(debianKernel().vmlinuz));
  change(new DataView(bytes.buffer));
  return bytes;
}

const XLOADFLAGS_AT = 0x236;
/** As a build without CONFIG_RELOCATABLE says it; it starts at 1 MiB all the same. */
const fixedKernel = (): Uint8Array =>
  headed((header) => {
    header.setUint8(0x234, 0);
    header.setUint16(XLOADFLAGS_AT, header.getUint16(XLOADFLAGS_AT, true) & ~0b10, true);
  });

/** The plan is printed, and then obeyed. */
const scriptFor = (tool: string, load: string): string =>
  `run plan ${tool} --dry-run ${load}\nrun load ${tool} ${load}\nrun exec ${tool} -e\n`;

beforeAll(() => buildKexec(), VM_TIMEOUT);

describe("the 32-bit entry", () => {
  test.each(CASES.map((c) => [c.title, c] as const))(
    "%s",
    async (_, { title: __, options, deviceTree, ...setup }) => {
      const caseScript = scriptFor(IN_VM.onekexec, `${options} ${LOAD}`);
      const run = await bootMachine({ kexec: KEXEC, ...setup, caseScript });
      withLog(run, () => {
        expectSecond(run);
        expect(run.second.get("device-tree")).toBe(deviceTree);
      });
    },
    VM_TIMEOUT,
  );
});

test.each(["-c", "-a"])(
  "a kernel that is not relocatable, by %s and without -t",
  async (method) => {
    const path = "/boot/fixed";
    const load = LOAD.replace(IN_VM.kernel, path);
    const script = scriptFor(IN_VM.onekexec, `${method} ${load}`);
    const run = await bootMachine({
      kexec: KEXEC,
      name: `not-relocatable${method}`,
      caseScript: `run by-file ${IN_VM.onekexec} -s ${load}\n${script}`,
      extraFiles: [{ path, data: fixedKernel() }],
    });
    withLog(run, () => {
      const byFile = run.runs.get("by-file");
      expect(byFile?.status).toBe(253);
      expect(byFile?.output).toContain("XLF_CAN_BE_LOADED_ABOVE_4G");
      expectSecond(run);
    });
  },
  VM_TIMEOUT,
);

/** As kernels before 4.17 and those of others. */
const fourLevelKernel = (): Uint8Array =>
  headed((header) => {
    header.setUint16(XLOADFLAGS_AT, header.getUint16(XLOADFLAGS_AT, true) & ~(0b11 << 5), true);
  });

test(
  "a kernel that does not know of the 5-level page tables that are in use",
  async () => {
    const path = "/boot/four-level";
    const load = LOAD.replace(IN_VM.kernel, path);
    const script = scriptFor(IN_VM.onekexec, `-a ${load}`);
    const byFileToo = `run by-file ${IN_VM.onekexec} -s ${load}\n`;
    const before = `run levels grep -o -m 1 la57 /proc/cpuinfo\n${byFileToo}`;
    const run = await bootMachine({
      kexec: KEXEC,
      name: "four-level",
      caseScript: before + script,
      extraFiles: [{ path, data: fourLevelKernel() }],
    });
    withLog(run, () => {
      expect(run.runs.get("levels")?.output).toContain("la57");
      const byFile = run.runs.get("by-file");
      expect(byFile?.status).toBe(253);
      expect(byFile?.output).toContain("XLF_5LEVEL");
      expectSecond(run);
    });
  },
  VM_TIMEOUT,
);

/** Only the kernel's real-mode code says so. */
const EARLY = "early console in setup code";

describe("the 16-bit entry", () => {
  const words = `${CONSOLE} earlyprintk=ttyS0 debug second`;
  const load = LOAD.replace(SECOND, words);

  function expectEarly({ lines }: MachineRun): void {
    expect(lines.filter(({ text }) => text.includes(EARLY)).length).toBe(1);
  }

  test.each([
    ["real-mode", "-a --real-mode", 1024],
    ["real-mode-6g", "-c -t bzImage --real-mode", 6144],
  ])(
    "%s: %s",
    async (name, options, memory) => {
      const caseScript = scriptFor(IN_VM.onekexec, `${options} ${load}`);
      const run = await bootMachine({ kexec: KEXEC, name, memory, caseScript });
      withLog(run, () => {
        expectEarly(run);
        expectSecond(run, words);
      });
    },
    VM_TIMEOUT,
  );

  test(
    "from Xen's dom0",
    async () => {
      const script = scriptFor(IN_VM.onekexec, `--real-mode ${load}`);
      const caseScript = `xen_modules\n${script}`;
      const run = await bootMachine({ kexec: KEXEC, name: "real-mode-xen", xen: {}, caseScript });
      withLog(run, () => {
        expect(run.runs.get("load")).toMatchObject({ status: 0 });
        expectEarly(run);
        expectSecondKernel(run, words);
      });
    },
    VM_TIMEOUT,
  );
});
