/**
 * What cannot be loaded, each with its own words and exit status, and nothing loaded afterwards;
 * and the ways to start a kernel that need more than a load.
 */

import { describe, expect, test } from "bun:test";
import { KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const K = IN_VM.kernel;
const I = `--initrd=${IN_VM.initrd}`;
const APPEND = `--append="${CONSOLE} second"`;

/** [name, arguments of kexec, exit status, what the output begins with] */
type Refusal = readonly [name: string, words: string, status: number, begins: string];

const PREPARE = `
mkdir /f /f/directory
mkfifo /f/fifo
: >/f/empty
dd if=${K} of=/f/cut bs=1M count=4 2>/dev/null
dd if=/dev/urandom of=/f/random bs=1k count=600 2>/dev/null
dd if=/dev/zero of=/f/large bs=1M count=0 seek=600 2>/dev/null
dd if=/dev/zero of=/f/huge bs=1M count=0 seek=1200 2>/dev/null
long=$(head -c 2100 /dev/zero | tr '\\0' x)
`;

const TOO_LONG = "the command line has 2100 bytes, this kernel takes at most 2046";
const CUT = "the file is cut short: it has 4194304 bytes";
const PRESERVE = "--load-preserve-context --mem-max=0x17ffffff";
const NO_JUMP =
  "Most likely this kernel was built without CONFIG_KEXEC_JUMP, which a jump back needs.";
const UNDETERMINED = "Cannot determine the file type of /f/random\nmultiboot2-x86: no";

const BAD_INPUTS: readonly Refusal[] = [
  ["c-missing", "-c -l /f/none", 1, "Cannot open `/f/none': No such file or directory\n"],
  ["s-missing", "-s -l /f/none", 1, "Cannot open `/f/none': No such file or directory\n"],
  ["c-empty", "-c -l /f/empty", 1, "Cannot read /f/empty\n"],
  ["c-directory", "-c -l /f/directory", 1, "Read on /f/directory failed: Is a directory\nCannot"],
  ["c-random", "-c -l /f/random", 255, UNDETERMINED],
  ["s-random", "-s -l /f/random", 255, UNDETERMINED],
  ["c-cut", "-c -l /f/cut", 255, `Cannot load /f/cut\nbzImage64: ${CUT}`],
  ["s-cut", "-s -l /f/cut", 255, `Cannot load /f/cut\nbzImage64: ${CUT}`],
  ["a-cut", "-l /f/cut", 255, `Cannot load /f/cut\nbzImage64: ${CUT}`],
  ["c-no-initrd", `-c -l ${K} --initrd=/f/none`, 1, "Cannot open `/f/none': No such file"],
  ["s-no-initrd", `-s -l ${K} --initrd=/f/none`, 255, "Could not open initrd file /f/none:No such"],
  ["c-empty-initrd", `-c -l ${K} --initrd=/f/empty`, 1, "Cannot read /f/empty\n"],
  ["s-empty-initrd", `-s -l ${K} --initrd=/f/empty`, 255, "Cannot read /f/empty\n"],
  ["c-directory-initrd", `-c -l ${K} --initrd=/f/directory`, 1, "Read on /f/directory failed: Is"],
  ["c-long", `-c -l ${K} --append=$long`, 255, `Cannot load ${K}\nbzImage64: ${TOO_LONG}`],
  ["s-long", `-s -l ${K} --append=$long`, 255, `Cannot load ${K}\nbzImage64: ${TOO_LONG}`],
  ["no-room", `-c -l ${K} --mem-max=0xfffff`, 1, "Could not find a free area of memory of 0x"],
  ["too-large", `-c -l ${K} --initrd=/f/large`, 255, "the segments take 66"],
  // A load that runs out of memory is not refused by the kernel, which kills processes.
  ["c-huge", `-c -l ${K} --initrd=/f/huge`, 255, "Cannot read /f/huge: that needs 1.2 GiB of"],
  ["s-large", `-s -l ${K} --initrd=/f/large`, 255, "kexec_file_load cannot load this: that needs"],
  ["no-type", `-c -l -t nonsense ${K}`, 255, "Unsupported kernel type nonsense\n"],
  ["foreign", `-c -l ${K} --module=${K}`, 255, `Cannot load ${K}\nbzImage64: image type`],
  ["preserve", `-c ${PRESERVE} ${K}`, 255, "kexec_load failed: Invalid argument\nentry"],
  [
    "jump-back",
    "-c --load-jump-back-helper --entry=0x100000",
    255,
    `load jump back kernel failed: Invalid argument\n${NO_JUMP}`,
  ],
  ["no-entry", "--load-jump-back-helper", 255, "Please specify jump back entry in command line\n"],
  ["nothing", "-e", 1, "Nothing has been loaded!\n"],
];

function scriptOf(refusals: readonly Refusal[]): string {
  return refusals
    .map(([name, words]) => `run ${name} kexec ${words}\nrun loaded cat /sys/kernel/kexec_loaded\n`)
    .join("");
}

function check(run: MachineRun, refusals: readonly Refusal[]): void {
  for (const [name, words, status, begins] of refusals) {
    const { status: found, output = "" } = run.runs.get(name) ?? {};
    expect({ words, status: found }).toEqual({ words, status });
    expect({ words, output: output.slice(0, begins.length) }).toEqual({ words, output: begins });
  }
  const states = run.lines.filter(({ text }) => text === "BEGIN loaded").length;
  expect(run.lines.filter(({ text }) => text === "| 0")).toHaveLength(states);
}

async function refuse(name: string, refusals: readonly Refusal[], setup: Partial<MachineSetup>) {
  const caseScript = `${PREPARE}${scriptOf(refusals)}${setup.caseScript ?? ""}`;
  const run = await bootMachine({ name, kexec: KEXEC, memory: 1280, ...setup, caseScript });
  withLog(run, () => check(run, refusals));
  return run;
}

const LOCKED = "The kernel is locked down (integrity)";
const LOCKDOWN: readonly Refusal[] = [
  ["c", `-c -l ${K}`, 255, "kexec_load failed: Operation not permitted\nentry       = 0x"],
  ["s", `-s -l ${K}`, 255, `kexec_file_load failed: Operation not permitted\n${LOCKED}`],
  ["a", `-l ${K}`, 255, `kexec_file_load failed: Operation not permitted\n${LOCKED}`],
  ["u", "-c -u", 255, `kexec unload failed: Operation not permitted\n${LOCKED}`],
];

const SWITCHED_OFF: readonly Refusal[] = [
  ["off-c", `-c -l ${K}`, 255, "kexec_load failed: Operation not permitted\n"],
  [
    "off-s",
    `-s -l ${K}`,
    255,
    "kexec_file_load failed: Operation not permitted\nkernel.kexec_load",
  ],
];

const NOBODY = "su nobody -s /bin/sh -c";
const AS_NOBODY = `
run nobody-c ${NOBODY} "kexec -c -l ${K}"
run nobody-s ${NOBODY} "kexec -s -l ${K}"
run nobody-e ${NOBODY} "kexec -e"
run nobody-u ${NOBODY} "kexec -u"
run nobody-status ${NOBODY} "kexec -S -l"
echo 1 >/proc/sys/kernel/kexec_load_disabled
${scriptOf(SWITCHED_OFF)}
`;

const SHUTDOWN = `#!/bin/sh
echo "shutdown was called as: $0 $*"
exec kexec -e
`;

async function reaches(name: string, caseScript: string): Promise<MachineRun> {
  const extraFiles = [{ path: "/sbin/shutdown", data: SHUTDOWN, mode: 0o755 }];
  const run = await bootMachine({ name, kexec: KEXEC, caseScript, extraFiles });
  withLog(run, () => expect(run.second.get("cmdline")).toBe(`${CONSOLE} second`));
  return run;
}

describe("refusals", () => {
  test.concurrent(
    "bad inputs, another user, and kexec_load_disabled",
    async () => {
      const extraFiles = [
        { path: "/etc/passwd", data: "root:x:0:0::/:\nnobody:x:65534:65534::/:\n" },
      ];
      const run = await refuse("bad-inputs", BAD_INPUTS, { caseScript: AS_NOBODY, extraFiles });
      withLog(run, () => {
        const said = (name: string) => run.runs.get(name);
        expect(said("nobody-c")?.status).toBe(255);
        expect(said("nobody-s")).toMatchObject({ status: 255 });
        expect(said("nobody-s")?.output).toBe(
          "kexec_file_load failed: Operation not permitted\n" +
            "This process lacks CAP_SYS_BOOT: run kexec as root.\n",
        );
        expect(said("nobody-e")).toMatchObject({ status: 1 });
        expect(said("nobody-u")).toMatchObject({ status: 255 });
        expect(said("nobody-status")).toMatchObject({ status: 0, output: "" });
        check(run, SWITCHED_OFF);
      });
    },
    VM_TIMEOUT,
  );

  test.concurrent(
    "a kernel that is locked down",
    async () => {
      await refuse("lockdown", LOCKDOWN, { commandLine: "lockdown=integrity" });
    },
    VM_TIMEOUT,
  );
});

describe("other ways to start", () => {
  test.concurrent(
    "kexec KERNEL runs shutdown -r now",
    async () => {
      const run = await reaches("bare", `run bare kexec ${K} ${I} ${APPEND}`);
      expect(run.runs.get("bare")?.output).toBe("shutdown was called as: /sbin/shutdown -r now\n");
    },
    VM_TIMEOUT,
  );
});
