/**
 * What the plan says is what happens: the second kernel reports its command line, memory map,
 * initrd, EFI and ACPI root pointer, and these are the plan's and the facts'.
 */

import { describe, expect, test } from "bun:test";
import { KEXEC } from "../../scripts/build.ts";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { MemoryType } from "../../src/model/memory.ts";
import { bootMachine, CONSOLE, type MachineRun, type MachineSetup } from "./machine.ts";
import { IN_VM } from "./rig.ts";
import { joinedRuntimeMap } from "./runtime-map.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const COMMAND_LINE = `${CONSOLE} second plan`;
const LOAD = `-c -l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${COMMAND_LINE}"`;
const SCRIPT = `
run facts kexec --save-facts=/run/facts
run saved cat /run/facts
run plan kexec ${LOAD} --dry-run=json
run untouched cat /sys/kernel/kexec_loaded
run load kexec ${LOAD}
run exec kexec -e -x -y
`;

interface PlannedSegment {
  readonly role: string;
  readonly start: string;
  readonly size: string;
  readonly bytes: string;
}

interface Planned {
  readonly facts: HostFacts;
  readonly segments: readonly PlannedSegment[];
  readonly commandLine: string;
}

function output(run: MachineRun, name: string): string {
  const found = run.runs.get(name);
  expect(found, `no run called ${name}`).toBeDefined();
  expect({ name, status: found?.status }).toEqual({ name, status: 0 });
  return found?.output ?? "";
}

function planned(run: MachineRun): Planned {
  const { attempts } = JSON.parse(output(run, "plan"));
  expect(attempts).toHaveLength(1);
  const [{ segments, commandLine }] = attempts;
  return { facts: factsFromJson(output(run, "saved")), segments, commandLine };
}

/** As the kernel prints the types of its memory map. [linux arch/x86/kernel/e820.c] */
const PRINTED: Readonly<Record<MemoryType, string>> = {
  ram: "usable",
  reserved: "reserved",
  acpi: "ACPI data",
  "acpi-nvs": "ACPI NVS",
  uncached: "reserved",
  unusable: "unusable",
  "soft-reserved": "soft reserved",
  pmem: "persistent (type 7)",
  pram: "persistent (type 12)",
};

const wide = (address: bigint) => `0x${address.toString(16).padStart(16, "0")}`;

function printedMap(facts: HostFacts): string[] {
  return (facts.memoryMap?.ranges ?? []).map(
    ({ start, end, type }) => `BIOS-e820: [mem ${wide(start)}-${wide(end - 1n)}] ${PRINTED[type]}`,
  );
}

const all = (run: MachineRun, key: string): string[] =>
  run.lines.flatMap(({ text }) =>
    text.startsWith(`SECOND ${key}=`) ? [text.slice(`SECOND ${key}=`.length)] : [],
  );

function initrdLine(segments: readonly PlannedSegment[]): string {
  const initrd = segments.find(({ role }) => role === "initrd");
  const start = BigInt(initrd?.start ?? -1n);
  const end = start + BigInt(initrd?.size ?? 0n) - 1n;
  const text = (address: bigint) => `0x${address.toString(16).padStart(8, "0")}`;
  return `RAMDISK: [mem ${text(start)}-${text(end)}]`;
}

function checkPlan(run: MachineRun): Planned {
  const plan = planned(run);
  expect(output(run, "untouched")).toBe("0\n");
  expect(output(run, "load")).toBe("");
  expect(all(run, "cmdline")).toEqual([COMMAND_LINE]);
  expect(plan.commandLine).toBe(COMMAND_LINE);
  expect(all(run, "e820")).toEqual(printedMap(plan.facts));
  expect(all(run, "initrd")).toEqual([initrdLine(plan.segments)]);
  const memory = Number(run.second.get("memory-kib")) * 1024;
  expect(Math.abs(memory - Number(plan.facts.memTotal ?? 0n))).toBeLessThan(4 << 20);
  expect(all(run, "random").join()).toContain("crng init done");
  return plan;
}

function checkEfi(run: MachineRun): void {
  const { facts } = checkPlan(run);
  expect(all(run, "efi")).toEqual(["yes"]);
  const passed = (facts.efi?.runtimeMap ?? []).map(({ type, physAddr, numPages, attribute }) =>
    [type, physAddr, numPages, attribute].join(" "),
  );
  expect(passed.length).toBeGreaterThan(0);
  expect(joinedRuntimeMap(run.second.get("runtime-map"))).toEqual(
    joinedRuntimeMap(passed.join("\n")),
  );
  const address = facts.acpiRsdp?.toString(16).toUpperCase().padStart(16, "0");
  expect(run.second.get("rsdp")).toContain(`ACPI: RSDP 0x${address} `);
}

function checkHigh(run: MachineRun): void {
  for (const { role, start } of checkPlan(run).segments) {
    expect({ role, high: BigInt(start) >= 1n << 32n }).toEqual({ role, high: true });
  }
}

async function bootPlan(
  name: string,
  setup: Partial<MachineSetup>,
  check: (run: MachineRun) => void,
): Promise<void> {
  const run = await bootMachine({ name, kexec: KEXEC, caseScript: SCRIPT, ...setup });
  withLog(run, () => check(run));
}

describe("the second kernel sees what the plan says", () => {
  test.concurrent(
    "with 1 GiB after BIOS",
    () => bootPlan("plan-bios", { memory: 1024 }, checkPlan),
    VM_TIMEOUT,
  );
  test.concurrent(
    "with 6 GiB: everything lies above 4 GiB",
    () => bootPlan("plan-six-gib", { memory: 6144 }, checkHigh),
    VM_TIMEOUT,
  );
  test.concurrent(
    "after UEFI: runtime services and ACPI too",
    () => bootPlan("plan-uefi", { firmware: "uefi" }, checkEfi),
    VM_TIMEOUT,
  );
});
