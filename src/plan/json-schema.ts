/**
 * The schemas of what `--dry-run=json` and `--doctor=json` print. The code that writes the JSON
 * imports only the types, so that the program does not load zod. Tests validate real output.
 *
 * Objects are strict: a field that is added or removed must be added or removed here too, because
 * other programs read it. README says what each field means.
 */

import * as z from "zod/mini";
import { ARCHITECTURES } from "../model/architecture.ts";
import { IMAGE_PURPOSES } from "../model/purpose.ts";

/** Addresses and sizes: a JSON number cannot hold 64 bits. */
const hexText = z.string().check(z.regex(/^0x[0-9a-f]{1,16}$/));
const sentences = z.readonly(z.array(z.string()));

const common = {
  purpose: z.enum(IMAGE_PURPOSES),
  architecture: z.enum(ARCHITECTURES),
  /** As `-t` takes it. */
  imageType: z.string(),
  commandLine: z.nullable(z.string()),
  notes: sentences,
  warnings: sentences,
};

const file = z.strictObject({
  path: z.string(),
  size: hexText,
  /** What is loaded was extracted from the file. */
  takenOut: z.optional(z.literal(true)),
});

const segment = z.strictObject({
  role: z.string(),
  start: hexText,
  size: hexText,
  bytes: hexText,
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  checked: z.boolean(),
  /** null: the purgatory does not check the segment. */
  xxh64: z.nullable(z.string().check(z.regex(/^[0-9a-f]{16}$/))),
  reason: z.string(),
});

const filePlan = z.strictObject({
  call: z.literal("kexec_file_load"),
  ...common,
  kernel: file,
  initrd: z.nullable(file),
});

const segmentPlan = z.strictObject({
  call: z.literal("kexec_load"),
  ...common,
  entry: hexText,
  segments: z.readonly(z.array(segment)),
});

/** `--dry-run=json` */
export const DryRunJson = z.strictObject({
  format: z.literal(1),
  attempts: z.readonly(z.array(z.discriminatedUnion("call", [filePlan, segmentPlan]))),
});

/** `--doctor=json` */
export const DoctorJson = z.strictObject({
  format: z.literal(1),
  canLoad: z.boolean(),
  signedOnly: z.boolean(),
  findings: z.readonly(
    z.array(
      z.strictObject({
        subject: z.string(),
        verdict: z.enum(["ok", "no", "note"]),
        text: z.string(),
        hint: z.string(),
      }),
    ),
  ),
});

export type DryRunJson = z.infer<typeof DryRunJson>;
export type PlanJson = DryRunJson["attempts"][number];
export type FilePlanJson = z.infer<typeof filePlan>;
export type DoctorJson = z.infer<typeof DoctorJson>;
