/**
 * Which screen the second kernel gets: what the first one was told of, as long as QEMU's VGA shows
 * it, and none once a driver of DRM has that. What --doctor and plans say of it is so.
 */

import { beforeAll, describe, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import type { KernelSeries } from "../../scripts/kernels.ts";
import {
  ScreenInfo,
  screenAtBoot,
  screenBytes,
} from "../../src/arch/x86-64/handoff/screen-info.ts";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import { difference } from "../conformance/differences.ts";
import {
  bootMachine,
  CONSOLE,
  debianKernel,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { IN_VM, moduleFiles } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const COMMAND_LINE = `${CONSOLE} second screen`;
const FILES = `${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${COMMAND_LINE}"`;

interface Case {
  readonly name: string;
  readonly program?: string;
  readonly method?: "-c" | "-s";
  /** Further options of the load. */
  readonly options?: string;
  /** Whether bochs, the driver of QEMU's VGA, is loaded. */
  readonly driver?: boolean;
  /** Shell lines before the load. */
  readonly before?: string;
  readonly setup?: Partial<MachineSetup>;
}

const drivers = (kernel: KernelSeries) => debianKernel(kernel).graphicsModules;

function bootCase(one: Case): Promise<MachineRun> {
  const { name, program = IN_VM.onekexec, method = "-c", options = "", setup = {} } = one;
  const modules = one.driver ? drivers(setup.kernel ?? "6.1") : [];
  const load = `${method} -l ${FILES} ${options}`;
  const caseScript = [
    ...modules.map((module) => `insmod /boot/modules/${module.name}.ko`),
    one.before ?? "",
    "run fb cat /proc/fb",
    "run facts kexec --save-facts=/run/facts",
    "run saved cat /run/facts",
    "run doctor kexec --doctor",
    "run doctor-json kexec --doctor=json",
    `run plan kexec ${load} --dry-run`,
    `run plan-json kexec ${load} --dry-run=json`,
    `run load ${program} ${load}`,
    "run exec kexec -e -x -y",
  ].join("\n");
  const extraFiles = moduleFiles(modules);
  return bootMachine({ name: `screen-${name}`, kexec: KEXEC, caseScript, extraFiles, ...setup });
}

const outputOf = (run: MachineRun, name: string): string => run.runs.get(name)?.output ?? "";

/** What a kernel's boot_params have, without what is another's business. */
function toldOf(sight: MachineRun["first"]): ScreenInfo {
  const bytes = Buffer.from(sight.get("screen-info") ?? "", "hex");
  expect(bytes).toHaveLength(64);
  return screenAtBoot(bytes);
}

/** All four say the same of the screen, in one line. */
function expectSaid(run: MachineRun, words: string): void {
  const [, doctor] = /^(?:ok {2}|note) {2}screen +(.*)$/m.exec(outputOf(run, "doctor")) ?? [];
  expect(doctor).toStartWith(words);
  const { findings } = JSON.parse(outputOf(run, "doctor-json"));
  const found = findings.find(({ subject }: { subject: string }) => subject === "screen");
  expect(found.text).toBe(doctor);
}

function planned(run: MachineRun): string {
  const [attempt] = JSON.parse(outputOf(run, "plan-json")).attempts;
  const notes = attempt.notes.filter((note: string) => note.startsWith("Screen:"));
  expect(notes).toHaveLength(1);
  expect(outputOf(run, "plan")).toContain(`\n  ${notes[0]}\n`);
  return notes[0];
}

/** The second kernel has what the first was told, and finds it where the first did. */
function expectPassedOn(run: MachineRun): void {
  expectSecondKernel(run, COMMAND_LINE, ["framebuffer", "framebuffer-memory"]);
  expect(toldOf(run.second)).toEqual(toldOf(run.first));
  const bootParams = factsFromJson(outputOf(run, "saved")).x86_64?.bootParams;
  expect(bootParams && screenAtBoot(bootParams)).toEqual(toldOf(run.second));
}

const check = async (one: Case, body: (run: MachineRun) => void): Promise<void> => {
  const run = await bootCase(one);
  withLog(run, () => body(run));
};

beforeAll(() => {
  buildKexec();
});

describe("the firmware's frame buffer", () => {
  const EFI = '1280x800x32 at 0x80000000, as at boot, because "EFI VGA" still draws on it';
  const VESA = '1024x768x16 at 0xfd000000, as at boot, because "VESA VGA" still draws on it';
  test.concurrent.each<[string, Case, string]>([
    ["UEFI, 6.1", { name: "uefi", setup: { firmware: "uefi" } }, EFI],
    ["UEFI, 6.12", { name: "uefi-612", setup: { firmware: "uefi", kernel: "6.12" } }, EFI],
    ["UEFI, -s", { name: "uefi-file", method: "-s", setup: { firmware: "uefi" } }, EFI],
    ["VESA, 6.1", { name: "vesa", setup: { commandLine: "vga=0x317" } }, VESA],
    ["VESA, 6.12", { name: "vesa-612", setup: { commandLine: "vga=791", kernel: "6.12" } }, VESA],
  ])(
    "%s: address and mode are passed on",
    (_, one, words) =>
      check(one, (run) => {
        expectPassedOn(run);
        expectSaid(run, words);
        const end = one.method === "-s" ? "; kexec_file_load passes it on." : ".";
        expect(planned(run)).toBe(`Screen: ${words}${end}`);
        expect(run.second.get("console")).toContain("colour frame buffer device");
      }),
    VM_TIMEOUT,
  );

  test.concurrent(
    `${difference("screen").id}: kexec-tools tells another size than there is`,
    () =>
      check({ name: "theirs", program: IN_VM.kexecTools, setup: { firmware: "uefi" } }, (run) => {
        expectSecondKernel(run, COMMAND_LINE);
        const raw = (sight: MachineRun["first"]) =>
          ScreenInfo.read(Buffer.from(sight.get("screen-info") ?? "", "hex"));
        expect(raw(run.first).lfb_size).toBe(1280 * 800 * 4);
        expect(raw(run.second).lfb_size).toBeLessThan(1280 * 800 * 4);
      }),
    VM_TIMEOUT,
  );
});

describe("a driver has taken the card", () => {
  const TAKEN = "none, because bochs-drm drives 0000:00:02.0";
  const uefi: Partial<MachineSetup> = { firmware: "uefi" };

  test.concurrent.each<[string, Case]>([
    ["UEFI, 6.1", { name: "taken", driver: true, setup: uefi }],
    ["UEFI, 6.12", { name: "taken-612", driver: true, setup: { ...uefi, kernel: "6.12" } }],
    ["VESA, 6.1", { name: "taken-vesa", driver: true, setup: { commandLine: "vga=0x317" } }],
    [
      `${difference("screen").id}: UEFI, and there is no /dev/fb0`,
      { name: "taken-no-fb", driver: true, before: "rm /dev/fb0", setup: uefi },
    ],
  ])(
    "%s: no frame buffer is passed on",
    (_, one) =>
      check(one, (run) => {
        expect(outputOf(run, "fb")).toBe("0 bochs-drmdrmfb\n");
        expectSecondKernel(run, COMMAND_LINE);
        expectSaid(run, TAKEN);
        expect(outputOf(run, "doctor")).toContain("-s and -a pass on the screen");
        expect(planned(run)).toBe(`Screen: ${TAKEN}.`);
        expect(run.second.get("framebuffer")).toBe("");
        // The next kernel must not draw there, and must not take that memory for free.
        const { lfb_base } = toldOf(run.first) ?? {};
        expect(lfb_base).toBeGreaterThan(0);
        expect(toldOf(run.second)).toMatchObject({ orig_video_isVGA: 0, lfb_width: 0, lfb_base });
      }),
    VM_TIMEOUT,
  );

  test.concurrent(
    `${difference("screen").id}: kexec-tools passes what is gone on without /dev/fb0`,
    () =>
      check(
        {
          name: "theirs-taken",
          program: IN_VM.kexecTools,
          driver: true,
          before: "rm /dev/fb0",
          setup: uefi,
        },
        (run) => {
          expectSecondKernel(run, COMMAND_LINE);
          expect(toldOf(run.second)).toEqual(toldOf(run.first));
          expect(run.second.get("framebuffer")).toBe("0 EFI VGA");
        },
      ),
    VM_TIMEOUT,
  );

  test.concurrent(
    "-s: Linux's own loader passes it on all the same, as the plan says",
    () =>
      check({ name: "taken-file", method: "-s", driver: true, setup: uefi }, (run) => {
        expectSecondKernel(run, COMMAND_LINE);
        expect(planned(run)).toBe(
          "Screen: kexec_file_load passes on the screen of the running kernel's boot, although " +
            "bochs-drm drives 0000:00:02.0.",
        );
        expect(screenBytes(toldOf(run.second))).toEqual(screenBytes(toldOf(run.first)));
      }),
    VM_TIMEOUT,
  );
});

describe("VGA text", () => {
  test.concurrent(
    "after BIOS it is passed on",
    () =>
      check({ name: "text" }, (run) => {
        expectPassedOn(run);
        expectSaid(
          run,
          "VGA text of 80x25, as at boot, because no driver has reprogrammed the card",
        );
        expect(run.second.get("console")).toContain("colour VGA+ 80x25");
      }),
    VM_TIMEOUT,
  );

  test.concurrent(
    "where a driver has the VGA, --reset-vga asks for it",
    () =>
      check({ name: "text-reset", driver: true, options: "--reset-vga" }, (run) => {
        expectSecondKernel(run, COMMAND_LINE);
        expect(planned(run)).toBe("Screen: VGA text of 80x25, because --reset-vga asks for it.");
        expect(toldOf(run.second)).toMatchObject({ orig_video_isVGA: 1, orig_video_lines: 25 });
        // QEMU's VGA stays in bochs' mode, which is none of a VGA: Linux looks and leaves it.
        expect(run.second.get("console")).toBe("Console: colour dummy device 80x25");
      }),
    VM_TIMEOUT,
  );
});
