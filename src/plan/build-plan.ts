/**
 * The heart: request, files and facts become a plan. Pure: bytes and facts in, plan out.
 *
 *     choose the image type ─▶ its draft: where, and what is read ─▶ purgatory ─▶ check
 */

import { archOf } from "../arch/index.ts";
import { fileScreenNotes } from "../arch/x86-64/file-screen.ts";
import { JUMP_BACK_ROOM } from "../arch/x86-64/handoff/jump-back.ts";
import { ADDRESS_END, hex } from "../core/address.ts";
import { CommandLine } from "../core/command-line.ts";
import { sha256 } from "../core/digest.ts";
import { ExitStatus, fail, failImage, ImageError } from "../core/error.ts";
import {
  byStart,
  intersect,
  isEmpty,
  normalize,
  type Range,
  rangeOf,
  totalSize,
} from "../core/range.ts";
import { cannotLoad, readImage } from "../image/read-image.ts";
import type { Arch, PurgatoryRequest } from "../model/arch.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type {
  DraftPlan,
  Image,
  InputFile,
  Placement,
  PlanInputs,
  PurgatoryPlace,
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

/**
 * The architecture that a plan is for.
 * @throws KexecError `facts.architecture`, `facts.page-size`
 */
function planningArch(facts: HostFacts): Arch {
  const arch = archOf(facts);
  if (arch.pageSizes.includes(facts.pageSize)) return arch;
  return fail({
    code: "facts.page-size",
    message:
      `the machine's pages have ${facts.pageSize} bytes, ` +
      `those of ${arch.name} have ${arch.pageSizes.join(", ")}`,
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
  place: (placement: Placement) => bigint,
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

/** What has no bytes has nothing to check; what the kernel may write anew would not match. */
function isChecked({ role, bytes }: Segment, hotplug: boolean): boolean {
  return bytes.length > 0 && !(hotplug && role === "elfcorehdr");
}

function withDigest(segment: Segment, inputs: PlanInputs): Segment {
  const files = [inputs.initrd, ...inputs.modules].filter((file) => file !== null);
  const known = files.find(({ bytes }) => bytes === segment.bytes)?.sha256;
  return { ...segment, sha256: known ?? sha256(segment.bytes) };
}

/** What was asked for is not left out. kexec-tools says so, and goes on without it; differs. */
function refuseForeignOptions({ type, options }: Image, { given }: LoaderRequest): void {
  const foreign = given.find((name) => !options.includes(name));
  if (foreign === undefined) return;
  const takers = options.map((name) => `--${name}`).join(", ");
  failImage({
    code: "image.option",
    message: `an image of type ${type} takes no --${foreign}`,
    hint: takers === "" ? "It takes none." : `It takes ${takers}.`,
  });
}

/** What `make` makes of an image. @throws KexecError `Cannot load` for what the image cannot do */
function loading<T>({ type }: Image, kernel: InputFile, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof ImageError ? cannotLoad(type, kernel.path, error) : error;
  }
}

/** The command line that was asked for; empty where none was. */
function checkedCommandLine(
  image: Image,
  kernel: InputFile,
  loader: LoaderRequest,
  commandLine: string | null,
): CommandLine {
  return loading(image, kernel, () => {
    refuseForeignOptions(image, loader);
    return CommandLine.of(commandLine ?? "", image.commandLineLimit);
  });
}

interface Drafted {
  readonly draft: DraftPlan;
  readonly crash: CrashPlan;
}

/** As long as what the purgatory adds to the command line. */
const jumpBackRoom = (purpose: ImagePurpose): number =>
  purpose === "preserve-context" ? JUMP_BACK_ROOM : 0;

/** Everything but the purgatory. */
function draftOf(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  image: Image,
  placer: Placer,
): Drafted {
  const { purpose } = request;
  const { kernel } = inputs;
  const asked = nextCommandLine(request.loader, facts, purpose);
  const line = checkedCommandLine(image, kernel, request.loader, asked);
  const crash = besides(request, facts, image.takesEfi, (placement) => placer.place(placement));
  const whole = line.append(crash.commandLine, jumpBackRoom(purpose));
  const commandLine = asked === null && whole.text === "" ? null : whole;
  const draft = loading(image, kernel, () =>
    image.draft({
      ...{ request, facts, inputs, purpose, commandLine },
      memory: crash.memory,
      put: (piece) => placer.put(piece),
      tryPut: (piece) => placer.tryPut(piece),
      tryPutFixed: (pieces) => placer.tryPutFixed(pieces),
    }),
  );
  return { draft, crash };
}

/** Takes memory for the purgatory, and makes its segment once all others are known. */
function placePurgatory({ purgatory }: Arch, { window }: PurgatoryPlace, placer: Placer) {
  const size = purgatory.size();
  const { start: min, end: max } = window;
  const start = placer.place({ role: "purgatory", size, alignment: 1n, min, max, from: "top" });
  return (request: PurgatoryRequest): { readonly entry: bigint; readonly segment: Segment } => {
    const { bytes, entry } = purgatory.build(request, start);
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
  const arch = planningArch(facts);
  const usable = destinations(request, facts);
  const image = readImage(arch.imageTypes, inputs.kernel, request.type, request.loader);
  const isCrash = request.purpose === "crash";
  const page = BigInt(facts.pageSize);
  const { free, notes: efiNotes } =
    image.takesEfi && !request.noEfi
      ? withoutEfiMemory(usable, facts)
      : { free: usable, notes: [] };
  // What is reserved for crash kernels is nobody's to hand out.
  const placer = isCrash
    ? new Placer(free, page, null, crashRoomRemark(facts))
    : new Placer(free, page, facts.segmentRules.settled);
  const placed = () => placePurgatory(arch, image.purgatory, placer);
  const first = image.purgatory.order === "first" ? placed() : null;
  const { draft, crash } = draftOf(request, facts, inputs, image, placer);
  const purgatory = first ?? placed();
  // The purgatory counts regions as the plan lists segments.
  const segments = [...draft.segments, ...crash.segments]
    .toSorted(byStart)
    .map((s) => (!request.skipChecks && isChecked(s, crash.hotplug) ? withDigest(s, inputs) : s));
  const { entry, segment } = purgatory({
    entryState: draft.entryState,
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
    architecture: arch.name,
    imageType: image.type,
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

/** The kernel lays out what it reads, in the same memory. */
function fileWarnings(
  { memorySize }: Image,
  initrd: FileReference | null,
  facts: HostFacts,
  commandLine: string | null,
): string[] {
  const initrdSize = initrd?.size ?? 0n;
  return crashRoomWarnings(facts, memorySize + initrdSize, initrdSize, commandLine);
}

function fileNotes({ purpose, passMemmapCmdline, hotplug }: LoadRequest): string[] {
  if (purpose !== "crash") return [];
  return [
    "the kernel makes the core header itself and says elfcorehdr= on the command line",
    ...(passMemmapCmdline ? ["--pass-memmap-cmdline has no effect: the kernel tells memory"] : []),
    ...(hotplug ? ["--hotplug has no effect: the kernel writes the header anew by itself"] : []),
  ];
}

function whyNotByFile(image: Image, { entry, purpose }: LoadRequest): string | null {
  if (purpose === "preserve-context") return "kexec_file_load preserves no context";
  if (entry !== 0n) return "kexec_file_load enters an image where it chooses; --entry needs -c";
  return image.whyNotByFile;
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
  const arch = planningArch(facts);
  const isCrash = request.purpose === "crash";
  if (isCrash) crashRegion(facts);
  const image = readImage(arch.imageTypes, kernel, request.type, request.loader);
  const commandLine = nextCommandLine(request.loader, facts, request.purpose);
  const line = checkedCommandLine(image, kernel, request.loader, commandLine);
  const why = whyNotByFile(image, request);
  if (why !== null) fail({ code: NOT_BY_FILE, message: why });
  // The kernel would only say "Invalid argument" to what leaves no room for its own parameter.
  if (isCrash) line.append("", arch.fileCrashParameters);
  return {
    kind: "file",
    purpose: request.purpose,
    architecture: arch.name,
    imageType: image.type,
    kernel: files.kernel,
    initrd: files.initrd,
    commandLine,
    debug: request.debug,
    noCma: request.noCma,
    forceDtb: request.forceDtb,
    notes: [...fileNotes(request), ...fileScreenNotes(facts)],
    warnings: isCrash ? fileWarnings(image, files.initrd, facts, commandLine) : [],
  };
}
