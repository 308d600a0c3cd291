/** Whoever finds no room is told what set each bound: an option, the image, or the machine. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { LoadRequest } from "../../src/model/request.ts";
import { buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { type BzImageParts, makeBzImage } from "../images/make-bzimage.ts";
import { refusal } from "../kexec-error.ts";
import { file } from "./pieces.ts";
import { loadRequest, NO_FILES, NO_LOADER } from "./requests.ts";

const machine = (name: string): HostFacts =>
  factsFromJson(readFileSync(join(import.meta.dir, "../facts/machines", `${name}.json`), "utf8"));
const MIB = 1 << 20;

interface Case {
  readonly request?: Partial<LoadRequest>;
  readonly kernel?: BzImageParts;
  readonly initrdSize?: number;
  readonly facts?: string;
}

function refused({ request, kernel, initrdSize, facts = "qemu-1g-bios" }: Case) {
  const initrd = initrdSize === undefined ? null : file("i", new Uint8Array(initrdSize));
  const inputs = { ...NO_FILES, kernel: file("k", makeBzImage(kernel)), initrd };
  const error = refusal(() => buildSegmentPlan(loadRequest(request), machine(facts), inputs));
  expect(error.code).toBe("plan.no-room");
  const lines = (error.hint ?? "").split("\n");
  expect(lines.length).toBeLessThanOrEqual(3);
  return { piece: lines[0] ?? "", bounds: lines[1] ?? "", remark: lines[2] ?? "" };
}

const CRASH = { purpose: "crash" } as const;

describe("what set each bound", () => {
  test.each<[string, Case, RegExp, string]>([
    [
      "--mem-max below the kernel's own lowest address",
      { request: { memMax: 0x1000000n } },
      /kernel: .* within \[0x1000000, 0x1000001\), but no memory is free there\.$/,
      "Lower bound: pref_address 0x1000000 of the kernel (0x258). " +
        "Upper bound: --mem-max=0x1000000.",
    ],
    [
      "--mem-max with too little in it",
      { request: { memMax: 0x10fffffn } },
      /kernel: .* within \[0x1000000, 0x1100000\), but the largest free range there is/,
      "Lower bound: pref_address 0x1000000 of the kernel (0x258). " +
        "Upper bound: --mem-max=0x10fffff.",
    ],
    [
      "--mem-min above all RAM",
      { request: { memMin: 0x900000000n } },
      /purgatory: .* no memory is free there\.$/,
      "Lower bound: --mem-min=0x900000000.",
    ],
    [
      "both, and they exclude each other",
      { request: { memMin: 0x2000000n, memMax: 0x1000000n } },
      /at or above 0x2000000 and below 0x1000001, which is nowhere/,
      "Lower bound: --mem-min=0x2000000. Upper bound: --mem-max=0x1000000.",
    ],
    [
      "the kernel's limit for its initrd",
      { kernel: { xloadflags: 1, initrdAddrMax: 0x1ffffff }, initrdSize: 32 * MIB },
      /initrd: .* within \[0x1000000, 0x2000000\)/,
      "Lower bound: 16 MiB, below which the next kernel starts. " +
        "Upper bound: initrd_addr_max 0x1ffffff of the kernel (0x22c).",
    ],
    [
      "32-bit addresses",
      { request: { memMin: 0x100000000n }, kernel: { xloadflags: 1 }, facts: "qemu-6g-bios" },
      /purgatory: .* at or above 0x100000000 and below 0x100000000, which is nowhere/,
      "Lower bound: --mem-min=0x100000000. Upper bound: 4 GiB, the end of 32-bit addresses.",
    ],
    [
      "what a 32-bit kernel maps",
      {
        request: { loader: { ...NO_LOADER, entry32Bit: true }, memMin: 0x38000000n },
        kernel: { xloadflags: 0 },
      },
      /kernel: /,
      "Lower bound: --mem-min=0x38000000. Upper bound: 896 MiB, which a 32-bit Linux maps.",
    ],
    [
      "the only place of a kernel that cannot be moved",
      {
        request: { loader: { ...NO_LOADER, entry32Bit: true }, memMin: 0x200000n },
        kernel: { relocatable: 0, xloadflags: 0 },
      },
      /kernel: /,
      "Lower bound: --mem-min=0x200000. Upper bound: its only place.",
    ],
  ])("%s", (_, about, piece, bounds) => {
    const error = refused(about);
    expect(error.piece).toMatch(piece);
    expect(error.bounds).toBe(bounds);
  });

  test("the crash region, and an option in it", () => {
    const facts = "qemu-2g-vesa-edd-crash";
    const tooLarge = refused({ request: CRASH, initrdSize: 300 * MIB, facts });
    expect(tooLarge.bounds).toMatch(
      /^Lower bound: the crash region \[.*\)\. Upper bound: the crash region \[.*\)\.$/,
    );
    expect(tooLarge.remark).toContain("crashkernel=");
    const memMax = 0x100000000n;
    const [region] = machine(facts).crashRegions;
    const memMin = (region?.end ?? 0n) - 0x10000n;
    expect(refused({ request: { ...CRASH, memMin, memMax }, facts }).bounds).toMatch(
      /^Lower bound: --mem-min=0x[0-9a-f]+\. Upper bound: the crash region/,
    );
  });

  test("nothing is named where the machine is simply too small", () => {
    const { bounds, piece } = refused({ initrdSize: 1040 * MIB });
    expect(piece).toContain("initrd: 1.0 GiB");
    expect(bounds).toBe("Lower bound: 16 MiB, below which the next kernel starts.");
  });
});
