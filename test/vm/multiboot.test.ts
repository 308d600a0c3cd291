/** Xen, loaded by both versions of multiboot, comes up with its dom0, whose kernel may be
 * compressed: from bare Linux after BIOS and after EFI, and from a Xen that runs already. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { difference } from "../conformance/differences.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";
import {
  bootMachine,
  DOM0_CONSOLE,
  debianKernel,
  debianXen,
  type MachineRun,
  type MachineSetup,
} from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";
import { xenMachineArguments } from "./xen.ts";

const LOADER = IN_VM.onekexec;
const XEN = "/boot/xen";
const XEN_WORDS = "com1=115200,8n1 console=com1 loglvl=all dom0_mem=1024M";
const SECOND = `${DOM0_CONSOLE} second`;
/** Xen itself expands no bzip2. */
const PACKED = "/boot/vmlinuz.bz2";

/** @param more of the dom0's kernel */
const loadWords = (kernel: string, more = ""): string =>
  [
    `-l ${XEN} --command-line="${XEN_WORDS}"`,
    `--module="${kernel} ${SECOND}${more}" --module=${IN_VM.initrd}`,
  ].join(" ");

const textsOf = ({ lines }: MachineRun): string[] => lines.map(({ text }) => text);

/** Whether a new Xen printed its command line, its own name left out, and its dom0 is up. */
function expectDom0(run: MachineRun, more = ""): void {
  expect(run.runs.get("load")).toMatchObject({ status: 0 });
  const words = `Command line: ${XEN_WORDS}`;
  expect(textsOf(run)).toContainEqual(expect.stringMatching(new RegExp(`${words}$`)));
  expectSecondKernel(run, `${SECOND}${more}`);
}

/** A machine in which Xen is a file too. */
async function bootWithXen(
  setup: Omit<MachineSetup, "kexec">,
  check: (run: MachineRun) => void,
): Promise<void> {
  const xen = { path: XEN, data: new Uint8Array(readFileSync(debianXen().hypervisor)) };
  const extraFiles = [xen, ...(setup.extraFiles ?? [])];
  const run = await bootMachine({ kexec: KEXEC, ...setup, extraFiles });
  withLog(run, () => check(run));
}

const BARE = { memory: 2048, qemuArguments: xenMachineArguments({}) };

beforeAll(() => buildKexec(), VM_TIMEOUT);

describe("Xen from bare Linux", () => {
  test.each([
    ["multiboot2", "-a", IN_VM.kernel],
    ["multiboot2-segments", "-c", PACKED],
    ["multiboot1", "-c -t multiboot-x86", IN_VM.kernel],
  ])(
    "%s: %s, %s",
    async (name, options, kernel) => {
      const packed = packedBy(["bzip2", "-c"], readFileSync(debianKernel().vmlinuz));
      const setup = {
        ...BARE,
        name: `xen-by-${name}`,
        extraFiles: [{ path: PACKED, data: packed }],
        caseScript: `run load ${LOADER} ${options} ${loadWords(kernel)}\nrun exec ${LOADER} -e\n`,
      };
      await bootWithXen(setup, (run) => expectDom0(run));
    },
    VM_TIMEOUT,
  );
});

const EFI_SCRIPT = `
run theirs ${IN_VM.kexecTools} -d -c ${loadWords(IN_VM.kernel)}
address=$(sed -n s/^ACPI20=//p /sys/firmware/efi/systab)
run address echo $address
run load ${LOADER} -d ${loadWords(IN_VM.kernel, " acpi_rsdp=$address")}
run exec ${LOADER} -e
`;

test(
  `${difference("multiboot-efi").id}: Xen after EFI finds ACPI, and so does its dom0`,
  async () => {
    await bootWithXen(
      { ...BARE, name: "xen-after-efi", firmware: "uefi", caseScript: EFI_SCRIPT },
      (run) => {
        expect(run.first.get("efi")).toBe("yes");
        // kexec-tools has nothing for the page at 0.
        const theirs = run.runs.get("theirs");
        const starts = [...(theirs?.output ?? "").matchAll(/^segment\S+mem += (.*)$/gm)];
        expect(starts.map(([, start]) => start)).toEqual(
          expect.arrayContaining(["0x1000", "0x200000"]),
        );
        expect(starts.filter(([, start]) => !/^0x[1-9a-f]/.test(start ?? ""))).toEqual([]);
        const words = ` acpi_rsdp=${run.runs.get("address")?.output.trim()}`;
        expect(run.runs.get("load")?.output).toContain(`${words} on its command line`);
        expectDom0(run, words);
        expect(textsOf(run)).toContainEqual(expect.stringMatching(/^\(XEN\) ACPI: RSDP .* BOCHS/));
        expect(run.second.get("rsdp")).toContain("ACPI: RSDP 0x");
      },
    );
  },
  VM_TIMEOUT,
);

test(
  "Xen from Xen's dom0",
  async () => {
    const caseScript = `
xen_modules
run load ${LOADER} ${loadWords(IN_VM.kernel)}
run exec ${LOADER} -e
`;
    await bootWithXen({ name: "xen-from-xen", xen: {}, caseScript }, (run) => {
      expect(textsOf(run)).toContain("(XEN) Executing kexec image on cpu0");
      expectDom0(run);
      expect([run.first, run.second].map((sight) => sight.get("guest-type"))).toEqual(["PV", "PV"]);
    });
  },
  VM_TIMEOUT,
);
