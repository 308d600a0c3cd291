/**
 * The heart: request, files and facts become a plan. Pure: bytes and facts in, plan out.
 *
 *     choose the image type ─▶ its draft: where, and what is read ─▶ purgatory ─▶ check
 */

import { archOf } from "../arch/index.ts";
import { checkExtended } from "../arch/x86-64/crash-parameters.ts";
import { JUMP_BACK_ROOM } from "../arch/x86-64/handoff/jump-back.ts";
import { ADDRESS_END, hex } from "../core/address.ts";
import { sha256 } from "../core/digest.ts";
import { ExitStatus, fail, KexecError } from "../core/error.ts";
import {
  byStart,
  intersect,
  isEmpty,
  normalize,
  type Range,
  rangeOf,
  totalSize,
} from "../core/range.ts";
import { chooseImageType } from "../image/choose-type.ts";
import { imageTypes } from "../image/index.ts";
import type { Arch, PurgatoryRequest } from "../model/arch.ts";
import type { Architecture, HostFacts } from "../model/host-facts.ts";
import type {
  DraftPlan,
  ImageType,
  InputFile,
  Placement,
  PlanContext,
  PlanInputs,
} from "../model/image-type.ts";
import type {
  FilePlan,
  FileReference,
  ImagePurpose,
  Segment,
  SegmentPlan,
} from "../model/load-plan.ts";
import type { LoaderRequest, LoadRequest } from "../model/request.ts";
import { checkPlan } from "./check-plan.ts";
import { nextCommandLine } from "./command-line.ts";
import { type CrashPlan, planCrash } from "./crash/crash-plan.ts";
import { crashRegion } from "./crash/crash-region.ts";
import { crashRoomRemark, crashRoomWarnings } from "./crash/crash-room.ts";
import { withoutEfiMemory } from "./efi-memory.ts";
import { mappedSegments } from "./mapped-segments.ts";
import { memoryWindow } from "./memory-window.ts";
import { Placer } from "./placer.ts";
import { planPreserved, preservedSegments } from "./purpose/preserve-context.ts";

/** The error of an image that only kexec_load can load as asked; `-a` goes on to that. */
export const NOT_BY_FILE = "plan.not-by-file";

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
function usableMemory(request: LoadRequest, facts: HostFacts): Range[] {
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
  const window = memoryWindow(request);
  return normalize(
    facts.memoryMap.ranges
      .filter(({ type }) => type === "ram")
      .map((r) => intersect(r, window))
      .filter((r) => !isEmpty(r)),
  );
}

/** Where segments go: a crash kernel's into what is reserved for one, and nowhere else. */
function destinations(request: LoadRequest, facts: HostFacts): Range[] {
  if (request.purpose !== "crash") return usableMemory(request, facts);
  const window = memoryWindow(request);
  return [intersect(crashRegion(facts), window)].filter((r) => !isEmpty(r));
}

/** What is planned besides what the image's type brings. */
function besides(
  request: LoadRequest,
  facts: HostFacts,
  takesEfi: boolean,
  place: PlanContext["place"],
): CrashPlan {
  const { purpose } = request;
  if (purpose === "crash") return planCrash(request, facts, takesEfi, place);
  if (purpose === "preserve-context") return planPreserved(request, facts, takesEfi, place);
  return withoutCrash(facts);
}

/** An ordinary kernel needs nothing besides itself, and is told all that there is. */
function withoutCrash(facts: HostFacts): CrashPlan {
  const memory = facts.memoryMap?.ranges ?? [];
  return { segments: [], backup: null, memory, commandLine: "", hotplug: false, notes: [] };
}

/** A loader that cannot go on ends, in kexec-tools, with this line; ours adds the reason. */
export function loading<T>(type: ImageType, kernel: InputFile, make: () => T): T {
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

/** What has no bytes has nothing to check; what the kernel may write anew would not match. */
function isChecked({ role, bytes }: Segment, hotplug: boolean): boolean {
  return bytes.length > 0 && !(hotplug && role === "elfcorehdr");
}

function withDigest(segment: Segment, inputs: PlanInputs): Segment {
  const files = [inputs.initrd, ...inputs.modules].filter((file) => file !== null);
  const known = files.find(({ bytes }) => bytes === segment.bytes)?.sha256;
  return { ...segment, sha256: known ?? sha256(segment.bytes) };
}

interface Drafted {
  readonly draft: DraftPlan;
  readonly crash: CrashPlan;
}

/** The type that loads `kernel` as asked. */
function typeOf(architecture: Architecture, kernel: InputFile, request: LoadRequest): ImageType {
  const probed = chooseImageType(imageTypes(architecture), kernel, request.type);
  return probed.instead?.(request.loader, kernel.bytes) ?? probed;
}

/** What was asked for is not left out. kexec-tools says so, and goes on without it; differs. */
function refuseForeignOptions(type: ImageType, { given }: LoaderRequest): void {
  const foreign = given.find((name) => !type.options.includes(name));
  if (foreign === undefined) return;
  const takers = type.options.map((name) => `--${name}`).join(", ");
  fail({
    code: "image.option",
    message: `an image of type ${type.name} takes no --${foreign}`,
    hint: takers === "" ? "It takes none." : `It takes ${takers}.`,
  });
}

/** @throws KexecError `Cannot load` where the image cannot be started as `loader` asks */
function checkImage(
  type: ImageType,
  kernel: InputFile,
  loader: LoaderRequest,
  commandLine: string | null,
): void {
  loading(type, kernel, () => {
    refuseForeignOptions(type, loader);
    type.check(kernel.bytes, commandLine);
  });
}

/** As long as what the purgatory adds to the command line. */
const jumpBackSpace = (purpose: ImagePurpose): string =>
  purpose === "preserve-context" ? " ".repeat(JUMP_BACK_ROOM) : "";

/** Everything but the purgatory. */
function draftOf(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  type: ImageType,
  takesEfi: boolean,
  place: PlanContext["place"],
): Drafted {
  const { purpose } = request;
  const { kernel } = inputs;
  const asked = nextCommandLine(request.loader, facts, purpose);
  checkImage(type, kernel, request.loader, asked);
  const crash = besides(request, facts, takesEfi, place);
  const added = crash.commandLine;
  const commandLine = added === "" ? asked : `${asked ?? ""}${added}`;
  const draft = loading(type, kernel, () => {
    const whole = `${commandLine}${jumpBackSpace(purpose)}`;
    if (added !== "") checkExtended(added.length, () => type.check(kernel.bytes, whole));
    const { memory } = crash;
    return type.draft({ request, facts, inputs, purpose, commandLine, memory, place });
  });
  return { draft, crash };
}

/** Takes memory for the purgatory, and makes its segment once all others are known. */
function placePurgatory(arch: Arch, type: ImageType, placer: Placer, page: bigint) {
  const { start: min, end: max } = arch.purgatoryWindow(type.entryBits ?? 64);
  const size = arch.purgatorySize();
  const start = placer.place({ role: "purgatory", size, alignment: page, min, max, from: "top" });
  return (request: PurgatoryRequest): { readonly entry: bigint; readonly segment: Segment } => {
    const { bytes, entry } = arch.buildPurgatory(request);
    const reason = "the highest free pages: it runs before the next kernel and is not needed after";
    const segment: Segment = { role: "purgatory", start, size, bytes, sha256: null, reason };
    return { entry: start + entry, segment };
  };
}

function segmentWarnings(
  loaded: readonly Segment[],
  initrd: InputFile | null,
  facts: HostFacts,
  commandLine: string | null,
): string[] {
  const initrdSize = BigInt(initrd?.bytes.length ?? 0);
  return crashRoomWarnings(facts, totalSize(loaded.map(rangeOf)), initrdSize, commandLine);
}

/**
 * The plan for kexec_load and for Xen: every segment with its place and bytes.
 * @throws KexecError `image.*`, `plan.*`, `facts.*`
 */
export function buildSegmentPlan(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
): SegmentPlan {
  const architecture = architectureOf(facts);
  const usable = destinations(request, facts);
  const type = typeOf(architecture, inputs.kernel, request);
  const arch = segmentArch(architecture);
  const isCrash = request.purpose === "crash";
  const page = BigInt(facts.pageSize);
  const takesEfi = loading(type, inputs.kernel, () => type.takesEfi(inputs.kernel.bytes));
  const { free, notes: efiNotes } =
    takesEfi && !request.noEfi ? withoutEfiMemory(usable, facts) : { free: usable, notes: [] };
  // What is reserved for crash kernels is nobody's to hand out.
  const placer = isCrash
    ? new Placer(free, page, null, crashRoomRemark(facts))
    : new Placer(free, page, facts.segmentRules.settled);
  const placed = () => placePurgatory(arch, type, placer, page);
  // Images that are entered in real mode have addresses of their own in the little memory there.
  const first = type.entryBits === 16 ? null : placed();
  const place = (placement: Placement) => placer.place(placement);
  const { draft, crash } = draftOf(request, facts, inputs, type, takesEfi, place);
  const purgatory = first ?? placed();
  // The purgatory counts regions as the plan lists segments.
  const segments = [...draft.segments, ...crash.segments]
    .toSorted(byStart)
    .map((s) => (!request.skipChecks && isChecked(s, crash.hotplug) ? withDigest(s, inputs) : s));
  const { entryState } = draft;
  const bits = entryState.mode ?? 64;
  if (bits < (type.entryBits ?? 64)) {
    throw new RangeError(`${type.name} does not say that it enters images in ${bits}-bit mode`);
  }
  const { entry, segment } = purgatory({
    entryState,
    checked: segments.filter(({ sha256 }) => sha256 !== null),
    console: request.console,
    backup: crash.backup,
    jumpBackText: request.purpose === "preserve-context" ? (draft.commandLineEnd ?? null) : null,
  });
  const loaded: readonly Segment[] = [...segments, segment];
  const { mapped } = facts.segmentRules;
  const plan: SegmentPlan = {
    kind: "segments",
    purpose: request.purpose,
    architecture,
    imageType: type.name,
    entry: request.entry === 0n ? entry : request.entry,
    segments: [
      ...loaded,
      ...(mapped === null ? [] : mappedSegments(loaded, mapped)),
      ...(request.purpose === "preserve-context" ? preservedSegments(loaded, usable, page) : []),
    ].sort(byStart),
    commandLine: draft.commandLine,
    debug: request.debug,
    hotplug: crash.hotplug,
    notes: [
      ...memoryLimits(request),
      ...otherEntry(request),
      ...placer.notes,
      ...efiNotes,
      ...crash.notes,
      ...draft.notes,
    ],
    warnings: isCrash ? segmentWarnings(loaded, inputs.initrd, facts, draft.commandLine) : [],
  };
  checkPlan(plan, usable, facts);
  return plan;
}

function otherEntry({ entry }: LoadRequest): string[] {
  if (entry === 0n) return [];
  return [`entered at ${hex(entry)}, as asked: nothing is checked or prepared before that`];
}

function memoryLimits({ memMin, memMax }: LoadRequest): string[] {
  if (memMin === 0n && memMax === ADDRESS_END - 1n) return [];
  return [`only memory from ${hex(memMin)} to ${hex(memMax)} is used, as asked`];
}

/** What the kernel puts in front of a crash kernel's command line: `elfcorehdr=0x… `.
 * [linux arch/x86/kernel/kexec-bzimage64.c MAX_ELFCOREHDR_STR_LEN] */
const ELFCOREHDR_WORD_MAX = 30;

/** The kernel would only say "Invalid argument" to what leaves no room for its own word. */
function checkFileCommandLine(type: ImageType, kernel: InputFile, commandLine: string | null) {
  const extended = `${commandLine ?? ""}${" ".repeat(ELFCOREHDR_WORD_MAX)}`;
  checkExtended(ELFCOREHDR_WORD_MAX, () => type.check(kernel.bytes, extended));
}

/** The kernel lays out what it reads, in the same memory. */
function fileWarnings(
  type: ImageType,
  { bytes }: InputFile,
  initrd: FileReference | null,
  facts: HostFacts,
  commandLine: string | null,
): string[] {
  const kernelSize = type.memorySize?.(bytes) ?? BigInt(bytes.length);
  const initrdSize = initrd?.size ?? 0n;
  return crashRoomWarnings(facts, kernelSize + initrdSize, initrdSize, commandLine);
}

function fileNotes({ purpose, passMemmapCmdline, hotplug }: LoadRequest): string[] {
  if (purpose !== "crash") return [];
  return [
    "the kernel makes the core header itself and says elfcorehdr= on the command line",
    ...(passMemmapCmdline ? ["--pass-memmap-cmdline has no effect: the kernel tells memory"] : []),
    ...(hotplug ? ["--hotplug has no effect: the kernel writes the header anew by itself"] : []),
  ];
}

function whyNotByFile(type: ImageType, request: LoadRequest): string | null {
  const { entry, loader, purpose } = request;
  if (purpose === "preserve-context") return "kexec_file_load preserves no context";
  if (entry !== 0n) return "kexec_file_load enters an image where it chooses; --entry needs -c";
  return type.whyNotByFile?.(loader) ?? null;
}

/**
 * The plan for kexec_file_load. The running kernel lays memory out and judges the image; what would
 * only give "Invalid argument" there is refused here with its reason.
 * @throws KexecError `image.*`, `facts.*`, `plan.no-crash-region`, `plan.command-line`, and
 *   `NOT_BY_FILE` for what kexec_file_load cannot do
 */
export function buildFilePlan(
  request: LoadRequest,
  facts: HostFacts,
  kernel: InputFile,
  files: { readonly kernel: FileReference; readonly initrd: FileReference | null },
): FilePlan {
  const architecture = architectureOf(facts);
  const isCrash = request.purpose === "crash";
  if (isCrash) crashRegion(facts);
  const type = typeOf(architecture, kernel, request);
  const commandLine = nextCommandLine(request.loader, facts, request.purpose);
  checkImage(type, kernel, request.loader, commandLine);
  const why = whyNotByFile(type, request);
  if (why !== null) fail({ code: NOT_BY_FILE, message: why });
  if (isCrash && architecture === "x86_64") checkFileCommandLine(type, kernel, commandLine);
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
    notes: [...fileNotes(request), ...(archOf(architecture)?.fileNotes(facts) ?? [])],
    warnings: isCrash ? fileWarnings(type, kernel, files.initrd, facts, commandLine) : [],
  };
}
