/** A plan as text for people and as JSON for programs. A load hands over this same plan. */

import { hex, humanSize } from "../core/address.ts";
import { hexOf } from "../core/bytes.ts";
import { sha256 } from "../core/digest.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type {
  FilePlan,
  FileReference,
  LoadPlan,
  Segment,
  SegmentPlan,
} from "../model/load-plan.ts";
import type { DryRunJson, FilePlanJson, PlanJson } from "./json-schema.ts";
import { memoryPicture } from "./memory-picture.ts";

/** SHA-256, which people can compare with that of a file; no plan needs it before it is shown. */
const digestOf = ({ bytes }: Segment) => hexOf(sha256(bytes));
const shownDigest = (segment: Segment) => (segment.bytes.length === 0 ? "-" : digestOf(segment));

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (sofar, row) => row.map((cell, i) => Math.max(sofar[i] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .replace(/ +$/, ""),
  );
}

const shownCommandLine = ({ commandLine }: LoadPlan): string => {
  if (commandLine === null) return "(none)";
  return commandLine === "" ? "(empty)" : commandLine;
};

function shownFile({ path, size, extracted }: FileReference): string {
  return extracted ? `${humanSize(size)} extracted from ${path}` : `${path} (${humanSize(size)})`;
}

function segmentTable(plan: SegmentPlan): string[] {
  const head = ["role", "start", "end", "memory", "bytes", "SHA-256 of the bytes"];
  const rows = plan.segments.map((segment) => [
    segment.role,
    hex(segment.start),
    hex(segment.start + segment.size),
    hex(segment.size),
    hex(segment.bytes.length),
    shownDigest(segment),
  ]);
  return table([head, ...rows]);
}

function describeSegments(plan: SegmentPlan, facts: HostFacts): string[] {
  return [
    `kexec_load: ${plan.segments.length} segments, entry ${hex(plan.entry)}, ` +
      `${plan.imageType}, ${plan.architecture}, purpose ${plan.purpose}`,
    `command line: ${shownCommandLine(plan)}`,
    "",
    ...segmentTable(plan),
    "",
    ...memoryPicture(plan, facts),
    "",
    "why there:",
    ...plan.segments.map((s) => `  ${s.role} at ${hex(s.start)}: ${s.reason}`),
    ...notes(plan),
  ];
}

function describeFiles(plan: FilePlan): string[] {
  const { kernel, initrd } = plan;
  return [
    `kexec_file_load: ${plan.imageType}, ${plan.architecture}, purpose ${plan.purpose}; ` +
      "the running kernel chooses the addresses",
    `kernel: ${shownFile(kernel)}`,
    `initrd: ${initrd === null ? "(none)" : shownFile(initrd)}`,
    `command line: ${shownCommandLine(plan)}`,
    ...notes(plan),
  ];
}

function notes(plan: LoadPlan): string[] {
  const block = (title: string, sentences: readonly string[]) =>
    sentences.length === 0 ? [] : ["", `${title}:`, ...sentences.map((one) => `  ${one}`)];
  return [...block("notes", plan.notes), ...block("warnings", plan.warnings)];
}

/** The plan as lines of text: what would be loaded where, and why. */
export function describePlan(plan: LoadPlan, facts: HostFacts): string[] {
  return plan.kind === "segments" ? describeSegments(plan, facts) : describeFiles(plan);
}

function fileToJson({ path, size, extracted }: FileReference): FilePlanJson["kernel"] {
  return { path, size: hex(size), ...(extracted ? { takenOut: true } : {}) };
}

/**
 * The plan as a JSON value; json-schema.ts has its schema. Addresses and sizes are "0x…" texts,
 * because a JSON number cannot hold 64 bits; bytes above 0x7f in texts are `\u0080` to `\u00ff`.
 */
export function planToJson(plan: LoadPlan): PlanJson {
  const common = {
    purpose: plan.purpose,
    architecture: plan.architecture,
    imageType: plan.imageType,
    commandLine: plan.commandLine,
    notes: plan.notes,
    warnings: plan.warnings,
  };
  if (plan.kind === "file") {
    const initrd = plan.initrd && fileToJson(plan.initrd);
    return { call: "kexec_file_load", ...common, kernel: fileToJson(plan.kernel), initrd };
  }
  return {
    call: "kexec_load",
    ...common,
    entry: hex(plan.entry),
    segments: plan.segments.map((segment) => ({
      role: segment.role,
      start: hex(segment.start),
      size: hex(segment.size),
      bytes: hex(segment.bytes.length),
      sha256: digestOf(segment),
      checked: segment.digest !== null,
      xxh64: segment.digest === null ? null : segment.digest.toString(16).padStart(16, "0"),
      reason: segment.reason,
    })),
  };
}

/** The plans that would be tried, in their order, for `--dry-run=json`. */
export function plansToJson(plans: readonly LoadPlan[]): DryRunJson {
  return { format: 1, attempts: plans.map(planToJson) };
}
