/** The schemas of the JSON output, and each golden plan. test/story/kexec.test.ts validates what
 * the program prints. */

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DoctorJson, DryRunJson } from "../../src/plan/json-schema.ts";

const GOLDEN = join(import.meta.dir, "../golden");
const plans = readdirSync(GOLDEN).filter((name) => name.endsWith(".plan.json"));
/** Golden files do not have the purgatory's digest. */
const read = (name: string) =>
  JSON.parse(readFileSync(join(GOLDEN, name), "utf8").replaceAll("(masked)", "0".repeat(64)));

const FILE_PLAN = {
  call: "kexec_file_load",
  purpose: "normal",
  architecture: "x86_64",
  imageType: "uki",
  commandLine: null,
  notes: [],
  warnings: [],
  kernel: { path: "k", size: "0x10", takenOut: true },
  initrd: null,
};
const accepts = (plan: unknown) => DryRunJson.safeParse({ format: 1, attempts: [plan] }).success;

describe("--dry-run=json", () => {
  test.each(plans)("%s", (name) => {
    DryRunJson.parse({ format: 1, attempts: [read(name)] });
  });

  test("fields that are unknown, missing or of another type are refused", () => {
    expect(accepts(FILE_PLAN)).toBe(true);
    expect(accepts({ ...FILE_PLAN, kernel: { path: "k", size: 16 } })).toBe(false);
    expect(accepts({ ...FILE_PLAN, entry: "0x10" })).toBe(false);
    expect(accepts({ ...FILE_PLAN, call: "kexec_load" })).toBe(false);
    expect(accepts({ ...FILE_PLAN, purpose: "reboot" })).toBe(false);
    const { warnings: _, ...lacking } = FILE_PLAN;
    expect(accepts(lacking)).toBe(false);
    expect(DryRunJson.safeParse({ format: 2, attempts: [] }).success).toBe(false);
  });
});

test("--doctor=json: fields that are unknown, missing or of another type are refused", () => {
  const finding = { subject: "host", verdict: "ok", text: "t", hint: "" };
  const accepts = (changes: object) =>
    DoctorJson.safeParse({
      ...{ format: 1, canLoad: true, signedOnly: false },
      findings: [{ ...finding, ...changes }],
    }).success;
  expect(accepts({})).toBe(true);
  expect(accepts({ verdict: "maybe" })).toBe(false);
  expect(accepts({ hint: null })).toBe(false);
  expect(accepts({ more: 1 })).toBe(false);
});
