/**
 * The heart: request, files and facts become a plan. Pure: bytes and facts in, plan out.
 *
 *     choose the image type ─▶ its draft: where, and what is read ─▶ purgatory ─▶ check
 */

import { archOf } from "../arch/index.ts";
import { ADDRESS_END, hex } from "../core/address.ts";
import { sha256 } from "../core/digest.ts";
import { ExitStatus, fail, KexecError } from "../core/error.ts";
import { intersect, isEmpty, normalize, type Range } from "../core/range.ts";
import { imageTypes } from "../image/index.ts";
import type { Arch } from "../model/arch.ts";
import type { Architecture, HostFacts } from "../model/host-facts.ts";
import type { ImageType, InputFile, Placement, PlanInputs } from "../model/image-type.ts";
import type { FilePlan, FileReference, Segment, SegmentPlan } from "../model/load-plan.ts";
import type { RunRequest } from "../model/request.ts";
import { checkPlan } from "./check-plan.ts";
import { chooseImageType } from "./choose-image-type.ts";
import { nextCommandLine } from "./command-line.ts";
import { type CrashPlan, crashRegion, crashRoomNotes, planCrash } from "./crash-plan.ts";
import { mappedSegments } from "./mapped-segments.ts";
import { Placer } from "./placer.ts";

/** @throws KexecError `facts.architecture` for a machine that onekexec cannot plan for */
function architectureOf(facts: HostFacts): Architecture {
  if (facts.architecture !== null) return facts.architecture;
  return fail({
    code: "facts.architecture",
    message: `unsupported machine type: ${facts.machine}`,
    exitStatus: ExitStatus.failed,
  });
}

/** RAM that may be used: the memory map, cut to `--mem-min` and `--mem-max`. */
function usableMemory(request: RunRequest, facts: HostFacts): Range[] {
  if (facts.memoryMap === null || facts.memoryMap.ranges.length === 0) {
    return fail({
      code: "facts.memory-map",
      message: "Could not get memory layout",
      hint:
        facts.notes.filter((note) => /\/memmap|\/iomem/.test(note)).join("\n") ||
        "Neither /sys/firmware/memmap nor /proc/iomem could be read.",
      exitStatus: ExitStatus.failed,
    });
  }
  const window = { start: request.memMin, end: request.memMax + 1n };
  return normalize(
    facts.memoryMap.ranges
      .filter(({ type }) => type === "ram")
      .map((r) => intersect(r, window))
      .filter((r) => !isEmpty(r)),
  );
}

/** Where segments go: a crash kernel's into what is reserved for one, and nowhere else. */
function destinations(request: RunRequest, facts: HostFacts): Range[] {
  if (request.purpose !== "crash") return usableMemory(request, facts);
  const window = { start: request.memMin, end: request.memMax + 1n };
  return [intersect(crashRegion(facts), window)].filter((r) => !isEmpty(r));
}

/** An ordinary kernel needs nothing besides itself, and is told all that there is. */
function withoutCrash(facts: HostFacts): CrashPlan {
  return { segments: [], backup: null, memory: facts.memoryMap?.ranges ?? [], commandLine: "" };
}

/** A loader that cannot go on ends, in kexec-tools, with this line; ours adds the reason. */
function loading<T>(type: ImageType, kernel: InputFile, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const own = error instanceof KexecError && /^(image|struct)\./.test(error.code);
    if (!own) throw error;
    throw new KexecError({
      code: error.code,
      message: `Cannot load ${kernel.path}`,
      hint: [`${type.name}: ${error.message}`, error.hint].filter(Boolean).join("\n"),
      exitStatus: ExitStatus.failed,
      cause: error,
    });
  }
}

function segmentArch(architecture: Architecture): Arch {
  const arch = archOf(architecture);
  if (arch !== undefined) return arch;
  return fail({
    code: "plan.architecture",
    message: `kexec_load on ${architecture} is not implemented yet`,
    hint: "The file based system call may work: try -s.",
  });
}

const byStart = (a: Segment, b: Segment) => (a.start < b.start ? -1 : 1);

/** What has no bytes has nothing to check, and what the kernel may write anew will not match. */
function isChecked({ role, bytes }: Segment, { skipChecks, hotplug }: RunRequest): boolean {
  return !skipChecks && bytes.length > 0 && !(hotplug && role === "elfcorehdr");
}

function withDigest(segment: Segment, inputs: PlanInputs): Segment {
  const { initrd } = inputs;
  const known = initrd !== null && segment.bytes === initrd.bytes ? initrd.sha256 : null;
  return { ...segment, sha256: known ?? sha256(segment.bytes) };
}

/**
 * The plan for kexec_load and for Xen: every segment with its place and bytes.
 * @throws KexecError `image.*`, `plan.*`, `facts.*`
 */
export function buildSegmentPlan(
  request: RunRequest,
  facts: HostFacts,
  inputs: PlanInputs,
): SegmentPlan {
  const architecture = architectureOf(facts);
  const usable = destinations(request, facts);
  const type = chooseImageType(imageTypes(architecture), inputs.kernel, request.type);
  const arch = segmentArch(architecture);
  const isCrash = request.purpose === "crash";
  // What is reserved is nobody's to hand out.
  const settled = isCrash ? null : facts.segmentRules.settled;
  const placer = new Placer(usable, BigInt(facts.pageSize), settled);
  const size = arch.purgatorySize();
  const start = placer.place({
    role: "purgatory",
    size,
    alignment: BigInt(facts.pageSize),
    min: arch.purgatoryWindow.start,
    max: arch.purgatoryWindow.end,
    from: "top",
  });
  const place = (placement: Placement) => placer.place(placement);
  const asked = nextCommandLine(request.loader, facts, request.purpose);
  loading(type, inputs.kernel, () => type.check(inputs.kernel.bytes, asked));
  const takesEfi = type.takesEfi(inputs.kernel.bytes);
  const crash = isCrash ? planCrash(request, facts, takesEfi, place) : withoutCrash(facts);
  const commandLine = crash.commandLine === "" ? asked : `${asked ?? ""}${crash.commandLine}`;
  const drafted = loading(type, inputs.kernel, () => {
    type.check(inputs.kernel.bytes, commandLine);
    return type.draft({
      request,
      facts,
      inputs,
      purpose: request.purpose,
      commandLine,
      memory: crash.memory,
      place,
    });
  });
  // The purgatory counts regions as the plan lists segments.
  const segments = [...drafted.segments, ...crash.segments]
    .toSorted(byStart)
    .map((segment) => (isChecked(segment, request) ? withDigest(segment, inputs) : segment));
  const purgatory = arch.buildPurgatory({
    entryState: drafted.entryState,
    checked: segments.filter(({ sha256 }) => sha256 !== null),
    console: request.console,
    backup: crash.backup,
  });
  const loaded: readonly Segment[] = [
    ...segments,
    {
      role: "purgatory",
      start,
      size,
      bytes: purgatory.bytes,
      sha256: null,
      reason: "the highest free pages: it runs before the next kernel and is not needed after",
    },
  ];
  const { mapped } = facts.segmentRules;
  const plan: SegmentPlan = {
    kind: "segments",
    purpose: request.purpose,
    architecture,
    imageType: type.name,
    entry: start + purgatory.entry,
    segments: [...loaded, ...(mapped === null ? [] : mappedSegments(loaded, mapped))].sort(byStart),
    commandLine: drafted.commandLine,
    debug: request.debug,
    hotplug: isCrash && request.hotplug,
    notes: [
      ...memoryLimits(request),
      ...placer.notes,
      ...drafted.notes,
      ...(isCrash ? crashRoomNotes(crashRegion(facts), loaded) : []),
    ],
  };
  checkPlan(plan, usable, facts);
  return plan;
}

function memoryLimits({ memMin, memMax }: RunRequest): string[] {
  if (memMin === 0n && memMax === ADDRESS_END - 1n) return [];
  return [`only memory from ${hex(memMin)} to ${hex(memMax)} is used, as asked`];
}

/**
 * The plan for kexec_file_load. The running kernel lays memory out and judges the image; what would
 * only give "Invalid argument" there is refused here with its reason.
 * @throws KexecError `image.*`, `facts.*`
 */
export function buildFilePlan(
  request: RunRequest,
  facts: HostFacts,
  kernel: InputFile,
  files: { readonly kernel: FileReference; readonly initrd: FileReference | null },
): FilePlan {
  const architecture = architectureOf(facts);
  const type = chooseImageType(imageTypes(architecture), kernel, request.type);
  const commandLine = nextCommandLine(request.loader, facts, request.purpose);
  loading(type, kernel, () => type.check(kernel.bytes, commandLine));
  return {
    kind: "file",
    purpose: request.purpose,
    architecture,
    imageType: type.name,
    kernel: files.kernel,
    initrd: files.initrd,
    commandLine,
    debug: request.debug,
    noCma: request.noCma,
    forceDtb: request.forceDtb,
    notes: [],
  };
}
