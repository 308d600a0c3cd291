/**
 * Builds a plan from the request, the files and the facts. Pure.
 *
 *     read the image ─▶ draft and place its segments ─▶ build the purgatory ─▶ check the plan
 */

import { archOf } from "../arch/index.ts";
import { ADDRESS_END, hex } from "../core/address.ts";
import { CommandLine } from "../core/command-line.ts";
import { xxHash64 } from "../core/digest.ts";
import { ExitStatus, fail, failImage, ImageError } from "../core/error.ts";
import { byStart, rangeOf, showRange, totalSize } from "../core/range.ts";
import { cannotLoad, readImage } from "../image/read-image.ts";
import type { Arch, PurgatoryRequest } from "../model/arch.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type {
  DraftPlan,
  FixedPiece,
  Image,
  InputFile,
  Piece,
  PlanContext,
  PlanInputs,
  PurgatoryPlace,
} from "../model/image-type.ts";
import type {
  FilePlan,
  FileReference,
  NotByFile,
  Segment,
  SegmentPlan,
} from "../model/load-plan.ts";
import type { LoaderRequest, LoadRequest } from "../model/request.ts";
import { checkPlan } from "./check-plan.ts";
import { nextCommandLine } from "./command-line.ts";
import { withoutEfiMemory } from "./efi-memory.ts";
import { mappedSegments } from "./mapped-segments.ts";
import { Placer } from "./placer.ts";
import { purposeOf } from "./purpose/index.ts";
import type {
  FilePurpose,
  LoadedSize,
  Purpose,
  PurposeInputs,
  PurposePlan,
  SegmentPurpose,
} from "./purpose/purpose.ts";

/**
 * The architecture that a plan is for.
 * @throws KexecError `facts.architecture`; `facts.page-size`, `facts.memory-map` for what no
 *   machine of it has
 */
function planningArch(facts: HostFacts): Arch {
  const arch = archOf(facts);
  if (!arch.pageSizes.includes(facts.pageSize)) {
    fail({
      code: "facts.page-size",
      message:
        `the machine's page size is ${facts.pageSize} bytes; ` +
        `page sizes of ${arch.name}, in bytes: ${arch.pageSizes.join(", ")}`,
      exitStatus: ExitStatus.failed,
    });
  }
  const ram = facts.memoryMap?.ranges.filter(({ type }) => type === "ram") ?? [];
  const beyond = [...ram, ...facts.crashRegions].find(({ end }) => end > arch.physicalEnd);
  if (beyond === undefined) return arch;
  return fail({
    code: "facts.memory-map",
    message:
      `the machine has memory at ${showRange(beyond)}, ` +
      `beyond ${hex(arch.physicalEnd)}, where physical addresses of ${arch.name} end`,
    exitStatus: ExitStatus.failed,
  });
}

/** Whether the purgatory checks a segment: it has bytes, and the kernel does not update them. */
function isChecked({ role, bytes }: Segment, hotplug: boolean): boolean {
  return bytes.length > 0 && !(hotplug && role === "elfcorehdr");
}

const withDigest = (segment: Segment): Segment => ({
  ...segment,
  digest: xxHash64(segment.bytes),
});

/** Refuses loader options that the image type does not accept. kexec-tools reports such an option
 * and loads without it; this differs. @throws ImageError `image.option` */
function refuseForeignOptions({ type, options }: Image, { given }: LoaderRequest): void {
  const foreign = given.find((name) => !options.includes(name));
  if (foreign === undefined) return;
  const accepted = options.map((name) => `--${name}`).join(", ");
  failImage({
    code: "image.option",
    message: `image type ${type} does not accept --${foreign}`,
    hint: accepted === "" ? "It accepts no loader options." : `It accepts ${accepted}.`,
  });
}

/** Calls `make`. @throws KexecError `Cannot load FILE` with the reason of an `ImageError` */
function loading<T>({ type }: Image, kernel: InputFile, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof ImageError ? cannotLoad(type, kernel, error) : error;
  }
}

/** The requested command line, within the image's limit; empty where none was requested.
 * @throws KexecError `image.option`, `image.command-line` */
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

/** What a draft needs besides the image: the purpose, and the functions of the placer. */
interface Drafting extends PurposeInputs, Pick<PlanContext, "tryPut" | "tryPutFixed"> {
  readonly purpose: Purpose;
  readonly bySegments: SegmentPurpose;
}

interface Drafted {
  readonly draft: DraftPlan;
  readonly planned: PurposePlan;
}

/** Drafts the whole plan but the purgatory. @throws KexecError `image.*`, `plan.*`, `facts.*` */
function draftOf(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  image: Image,
  { purpose, bySegments, ...drafting }: Drafting,
): Drafted {
  const { kernel } = inputs;
  const asked = nextCommandLine(request.loader, facts, purpose.notReused);
  const line = checkedCommandLine(image, kernel, request.loader, asked);
  const planned = bySegments.planForPurpose(drafting);
  const added = planned.parameters.map((parameter) => ` ${parameter}`).join("");
  const commandLineRoom = purpose.jumpsBack ? drafting.arch.jumpBackRoom : 0;
  const whole = line.append(added, commandLineRoom);
  const { put, tryPut, tryPutFixed } = drafting;
  const draft = loading(image, kernel, () =>
    image.draft({
      ...{ request, facts, inputs, commandLineRoom },
      ...{ capture: purpose.capture, ownsMachine: purpose.ownsMachine, memory: planned.memory },
      commandLine: asked === null && whole.text === "" ? null : whole,
      ...{ put, tryPut, tryPutFixed },
    }),
  );
  return { draft, planned };
}

/** Takes memory for the purgatory, and returns the function that makes its segment, which must know
 * all other segments. @throws KexecError `plan.no-room` */
function placePurgatory({ purgatory }: Arch, place: PurgatoryPlace, placer: Placer) {
  const size = purgatory.size();
  const { start: min, end: max } = place.window;
  const { maxFrom } = place;
  const limits = { size, alignment: 1n, min, max, maxFrom } as const;
  const start = placer.place({ role: "purgatory", ...limits, from: "top" });
  return (request: PurgatoryRequest): { readonly entry: bigint; readonly segment: Segment } => {
    const { bytes, entry } = purgatory.build(request, start);
    const reason = "the highest free pages: it runs before the next kernel and is not needed after";
    const segment: Segment = { role: "purgatory", start, size, bytes, digest: null, reason };
    return { entry: start + entry, segment };
  };
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
  const purpose = purposeOf(request.purpose);
  const bySegments = purpose.forSegments(request, facts);
  const usable = bySegments.destinations;
  const image = readImage(arch.imageTypes, inputs.kernel, request.type, request.loader, facts);
  const { takesEfi } = image;
  const { free, notes: efiNotes } =
    takesEfi && !request.noEfi ? withoutEfiMemory(usable, facts) : { free: usable, notes: [] };
  const { preferred, bounds, remark } = bySegments.placer;
  const remarks = [remark, ...efiNotes].filter((sentence) => sentence !== "").join(" ");
  const placer = new Placer(free, BigInt(facts.pageSize), preferred, remarks, bounds);
  const placed = () => placePurgatory(arch, image.purgatory, placer);
  const first = image.purgatory.order === "first" ? placed() : null;
  const drafting = {
    ...{ purpose, bySegments, arch, takesEfi },
    put: (piece: Piece) => placer.put(piece),
    tryPut: (piece: Piece) => placer.tryPut(piece),
    tryPutFixed: (pieces: readonly FixedPiece[]) => placer.tryPutFixed(pieces),
  };
  const { draft, planned } = draftOf(request, facts, inputs, image, drafting);
  const purgatory = first ?? placed();
  // The purgatory numbers the regions that it checks in the order of the plan's segments.
  const segments = [...draft.segments, ...planned.segments]
    .toSorted(byStart)
    .map((s) => (!request.skipChecks && isChecked(s, planned.hotplug) ? withDigest(s) : s));
  const { entry, segment } = purgatory({
    entryState: draft.entryState,
    checked: segments.filter(({ digest }) => digest !== null),
    console: request.console,
    backup: planned.backup,
    jumpBackText: purpose.jumpsBack ? (draft.commandLineEnd ?? null) : null,
  });
  const loaded: readonly Segment[] = [...segments, segment];
  const { mapped } = facts.segmentRules;
  const sizes: LoadedSize = {
    total: totalSize(loaded.map(rangeOf)),
    initrd: BigInt(inputs.initrd?.bytes.length ?? 0),
  };
  const plan: SegmentPlan = {
    kind: "segments",
    purpose: request.purpose,
    architecture: arch.name,
    imageType: image.type,
    entry: request.entry === 0n ? entry : request.entry,
    segments: [
      ...loaded,
      ...(mapped === null ? [] : mappedSegments(loaded, mapped)),
      ...bySegments.preservedSegments(loaded),
    ].sort(byStart),
    commandLine: draft.commandLine,
    debug: request.debug,
    hotplug: planned.hotplug,
    notes: [
      ...memoryLimits(request),
      ...otherEntry(request),
      ...placer.notes,
      ...efiNotes,
      ...planned.notes,
      ...draft.notes,
    ],
    warnings: bySegments.warnings(sizes, draft.commandLine),
  };
  checkPlan(plan, usable, facts);
  return plan;
}

function otherEntry({ entry }: LoadRequest): string[] {
  if (entry === 0n) return [];
  return [
    `the running kernel jumps to ${hex(entry)} (--entry), not to the purgatory: ` +
      "nothing is checked or prepared before that",
  ];
}

function memoryLimits({ memMin, memMax }: LoadRequest): string[] {
  if (memMin === 0n && memMax === ADDRESS_END - 1n) return [];
  return [`only memory from ${hex(memMin)} to ${hex(memMax)} is used (--mem-min, --mem-max)`];
}

/** The memory of the image and its initrd, in bytes, without what the running kernel adds. */
function fileSizes({ memorySize }: Image, initrd: FileReference | null): LoadedSize {
  const initrdSize = initrd?.size ?? 0n;
  return { total: memorySize + initrdSize, initrd: initrdSize };
}

/** Why kexec_file_load cannot load the image as requested, a sentence; null: it can. */
function whyNotByFile(
  image: Image,
  { entry }: LoadRequest,
  { refusal }: FilePurpose,
): string | null {
  if (refusal !== null) return refusal;
  if (entry !== 0n) return "kexec_file_load chooses the entry point itself; --entry needs -c";
  return image.whyNotByFile;
}

/** What kexec_file_load is given. */
export interface HandedFiles {
  readonly kernel: FileReference;
  /** null: no initrd. */
  readonly initrd: FileReference | null;
}

/**
 * The plan for kexec_file_load, where the running kernel reads the image and places its segments.
 * What the kernel would answer with a mere "Invalid argument" is refused here with the reason.
 * Where kexec_file_load cannot do what is requested, the reason is returned, and `-a` tries
 * kexec_load.
 * @param handOver gives the files, possibly copies in memory; called only if there is a plan
 * @throws KexecError `image.*`, `facts.*`, `plan.no-crash-region`, `plan.command-line`
 */
export function buildFilePlan(
  request: LoadRequest,
  facts: HostFacts,
  kernel: InputFile,
  handOver: () => HandedFiles | NotByFile,
): FilePlan | NotByFile {
  const arch = planningArch(facts);
  const purpose = purposeOf(request.purpose);
  const byFiles = purpose.forFiles(request, facts, arch);
  const image = readImage(arch.imageTypes, kernel, request.type, request.loader, facts);
  const commandLine = nextCommandLine(request.loader, facts, purpose.notReused);
  const line = checkedCommandLine(image, kernel, request.loader, commandLine);
  const why = whyNotByFile(image, request, byFiles);
  if (why !== null) return { notByFile: why };
  // If the kernel's own parameter did not fit, the kernel would only answer "Invalid argument".
  line.append("", byFiles.addedByKernel);
  const files = handOver();
  if ("notByFile" in files) return files;
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
    notes: [...byFiles.notes, ...arch.fileNotes(facts)],
    warnings: byFiles.warnings(fileSizes(image, files.initrd), commandLine),
  };
}
