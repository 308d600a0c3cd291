/**
 * The parameter blocks of whole plans, as the purgatory's own headers read them: golden files,
 * which are reviewed like code. The golden plans do not have the purgatory's digest, and would not
 * show a wrong block.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMON_FOLDER, SRC } from "../../../../scripts/purgatory.ts";
import { hex } from "../../../../src/core/address.ts";
import type { HostFacts } from "../../../../src/model/host-facts.ts";
import type { PlanInputs } from "../../../../src/model/image-type.ts";
import type { SegmentPlan } from "../../../../src/model/load-plan.ts";
import type { LoadRequest } from "../../../../src/model/request.ts";
import { buildSegmentPlan } from "../../../../src/plan/build-plan.ts";
import { makeBzImage } from "../../../images/make-bzimage.ts";
import { multibootElf, multibootHeader } from "../../../images/make-multiboot.ts";
import { expectGolden, machine } from "../../../plan/golden.ts";
import { file, pattern, segment } from "../../../plan/pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "../../../plan/requests.ts";

const folder = mkdtempSync(join(tmpdir(), "purgatory-block-"));
afterAll(() => rmSync(folder, { recursive: true }));

const PROGRAM = join(folder, "parameter-block");
const headers = [COMMON_FOLDER, "arch/x86-64/purgatory"].map((part) => `-I${join(SRC, part)}`);
execFileSync("gcc", [
  ...["-O1", "-Wall", "-Wextra", "-Werror", ...headers],
  ...["-o", PROGRAM, join(import.meta.dir, "parameter-block.c")],
]);

const LINUX: PlanInputs = {
  ...NO_FILES,
  kernel: file("/boot/vmlinuz", makeBzImage()),
  initrd: file("/boot/initrd", pattern(0x12345)),
};

function planOf(
  facts: HostFacts,
  request: Partial<LoadRequest> = {},
  inputs: PlanInputs = LINUX,
): SegmentPlan {
  return buildSegmentPlan(loadRequest(request), facts, inputs);
}

/** As if the running kernel were above what is swapped. */
function preserved(): SegmentPlan {
  const facts = machine("qemu-2g-vesa-edd-crash");
  const vmcoreinfo = { start: 0x60001000n, end: 0x60002024n };
  const crash = facts.crash && { ...facts.crash, vmcoreinfo };
  return planOf({ ...facts, crash }, { purpose: "preserve-context", memMax: 0x1fffffffn });
}

const PLANS: Readonly<Record<string, SegmentPlan>> = {
  "qemu-1g-bios": planOf(machine("qemu-1g-bios")),
  "qemu-2g-vesa-edd-crash.crash": planOf(machine("qemu-2g-vesa-edd-crash"), { purpose: "crash" }),
  "preserve-context": preserved(),
  multiboot: planOf(
    machine("qemu-6g-bios"),
    { loader: { ...NO_LOADER, commandLine: "console=com1" } },
    {
      ...NO_FILES,
      kernel: file("/boot/xen", multibootElf(multibootHeader(3))),
      modules: [{ ...file("/boot/vmlinuz", pattern(0x5001)), commandLine: "/boot/vmlinuz ro" }],
    },
  ),
  "real-mode": planOf(machine("qemu-6g-bios"), {
    loader: { ...NO_LOADER, realMode: true, given: ["real-mode"] },
    console: { resetVga: true, vga: true, serial: true, serialBase: 0x2f8, serialBaud: 115200 },
  }),
  "no-checks": planOf(machine("qemu-1g-bios"), { skipChecks: true }),
};

/** What the C program prints, with the role of the plan's segment behind each region. */
function blockOf(plan: SegmentPlan): string {
  const input = segment(plan, "purgatory").bytes;
  const text = execFileSync(PROGRAM, { input }).toString();
  return plan.segments.reduce(
    (sofar, { role, start }) =>
      sofar.replace(new RegExp(`^region \\d+: start ${hex(start)},.*`, "m"), `$& (${role})`),
    text,
  );
}

describe("the parameter block of", () => {
  test.each(Object.entries(PLANS))("%s", (name, plan) => {
    expectGolden(`${name}.purgatory.txt`, blockOf(plan));
  });

  test("a plan: each segment with bytes is a region, but for the purgatory itself", () => {
    for (const plan of Object.values(PLANS).slice(0, -1)) {
      const roles = plan.segments.filter(({ bytes }) => bytes.length > 0).map(({ role }) => role);
      const regions = [...blockOf(plan).matchAll(/^region .* \((.*)\)$/gm)].map(([, role]) => role);
      expect(regions).toEqual(roles.filter((role) => role !== "purgatory"));
    }
  });
});
