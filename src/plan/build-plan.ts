/**
 * The heart: request, files and facts become a plan. Pure: bytes and facts in, plan out.
 *
 *     choose the image type ─▶ its draft: where, and what is read ─▶ purgatory ─▶ check
 */

import { archOf } from "../arch/index.ts";
import { fileScreenNotes } from "../arch/x86-64/file-screen.ts";
import { ADDRESS_END, hex } from "../core/address.ts";
import { sha256 } from "../core/digest.ts";
import { ExitStatus, fail, KexecError } from "../core/error.ts";
import { byStart, rangeOf, totalSize } from "../core/range.ts";
import { chooseImageType } from "../image/choose-type.ts";
import { imageTypes } from "../image/index.ts";
import type { Arch, PurgatoryRequest } from "../model/arch.ts";
import type { Architecture, HostFacts } from "../model/host-facts.ts";
import type {
  DraftPlan,
  ImageType,
  InputFile,
  Placement,
  PlanInputs,
} from "../model/image-type.ts";
import type { FilePlan, FileReference, Segment, SegmentPlan } from "../model/load-plan.ts";
import type { LoaderRequest, LoadRequest } from "../model/request.ts";
import { checkPlan } from "./check-plan.ts";
import { nextCommandLine } from "./command-line.ts";
import { withoutEfiMemory } from "./efi-memory.ts";
import { mappedSegments } from "./mapped-segments.ts";
import { Placer } from "./placer.ts";
import { checkExtended } from "./purpose/check-extended.ts";
import { purposeOf } from "./purpose/index.ts";
import type {
  FilePurpose,
  LoadedSize,
  Purpose,
  PurposeInputs,
  PurposePlan,
  SegmentPurpose,
} from "./purpose/purpose.ts";

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

/** Who takes part in a draft besides the image's type. */
interface Drafting extends PurposeInputs {
  readonly purpose: Purpose;
  readonly bySegments: SegmentPurpose;
}

interface Drafted {
  readonly draft: DraftPlan;
  readonly planned: PurposePlan;
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

/** Everything but the purgatory. */
function draftOf(
  request: LoadRequest,
  facts: HostFacts,
  inputs: PlanInputs,
  type: ImageType,
  drafting: Drafting,
): Drafted {
  const { purpose, bySegments, arch, place } = drafting;
  const { capture, ownsMachine } = purpose;
  const { kernel } = inputs;
  const asked = nextCommandLine(request.loader, facts, purpose.notReused);
  checkImage(type, kernel, request.loader, asked);
  const planned = bySegments.planForPurpose(drafting);
  const { memory } = planned;
  const added = planned.parameters.map((parameter) => ` ${parameter}`).join("");
  const commandLine = added === "" ? asked : `${asked ?? ""}${added}`;
  const commandLineRoom = purpose.jumpsBack ? arch.jumpBackRoom : 0;
  const draft = loading(type, kernel, () => {
    const whole = `${commandLine}${" ".repeat(commandLineRoom)}`;
    if (added !== "") checkExtended(added.length, () => type.check(kernel.bytes, whole));
    return type.draft({
      ...{ request, facts, inputs, capture, ownsMachine },
      ...{ commandLine, commandLineRoom, memory, place },
    });
  });
  return { draft, planned };
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
  const purpose = purposeOf(request.purpose);
  const bySegments = purpose.forSegments(request, facts);
  const usable = bySegments.destinations;
  const type = typeOf(architecture, inputs.kernel, request);
  const arch = segmentArch(architecture);
  const page = BigInt(facts.pageSize);
  const takesEfi = loading(type, inputs.kernel, () => type.takesEfi(inputs.kernel.bytes));
  const { free, notes: efiNotes } =
    takesEfi && !request.noEfi ? withoutEfiMemory(usable, facts) : { free: usable, notes: [] };
  const { preferred, remark } = bySegments.placer;
  const placer = new Placer(free, page, preferred, remark);
  const placed = () => placePurgatory(arch, type, placer, page);
  // Images that are entered in real mode have addresses of their own in the little memory there.
  const first = type.entryBits === 16 ? null : placed();
  const place = (placement: Placement) => placer.place(placement);
  const drafting = { purpose, bySegments, arch, takesEfi, place };
  const { draft, planned } = draftOf(request, facts, inputs, type, drafting);
  const purgatory = first ?? placed();
  // The purgatory counts regions as the plan lists segments.
  const segments = [...draft.segments, ...planned.segments]
    .toSorted(byStart)
    .map((s) => (!request.skipChecks && isChecked(s, planned.hotplug) ? withDigest(s, inputs) : s));
  const { entryState } = draft;
  const bits = entryState.mode ?? 64;
  if (bits < (type.entryBits ?? 64)) {
    throw new RangeError(`${type.name} does not say that it enters images in ${bits}-bit mode`);
  }
  const { entry, segment } = purgatory({
    entryState,
    checked: segments.filter(({ sha256 }) => sha256 !== null),
    console: request.console,
    backup: planned.backup,
    jumpBackText: purpose.jumpsBack ? (draft.commandLineEnd ?? null) : null,
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
    warnings: bySegments.warnings(
      {
        total: totalSize(loaded.map(rangeOf)),
        initrd: BigInt(inputs.initrd?.bytes.length ?? 0),
      },
      draft.commandLine,
    ),
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

/** The kernel would only say "Invalid argument" to what leaves no room for its own word. */
function checkFileCommandLine(
  type: ImageType,
  kernel: InputFile,
  commandLine: string | null,
  added: number,
): void {
  const extended = `${commandLine ?? ""}${" ".repeat(added)}`;
  if (added > 0) checkExtended(added, () => type.check(kernel.bytes, extended));
}

/** What the kernel loads of the files, as far as their sizes are known. */
function fileSizes(
  type: ImageType,
  { bytes }: InputFile,
  initrd: FileReference | null,
): LoadedSize {
  const initrdSize = initrd?.size ?? 0n;
  const kernelSize = type.memorySize?.(bytes) ?? BigInt(bytes.length);
  return { total: kernelSize + initrdSize, initrd: initrdSize };
}

function whyNotByFile(
  type: ImageType,
  { entry, loader }: LoadRequest,
  { refusal }: FilePurpose,
): string | null {
  if (refusal !== null) return refusal;
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
  const purpose = purposeOf(request.purpose);
  const byFiles = purpose.forFiles(request, facts, archOf(architecture));
  const type = typeOf(architecture, kernel, request);
  const commandLine = nextCommandLine(request.loader, facts, purpose.notReused);
  checkImage(type, kernel, request.loader, commandLine);
  const why = whyNotByFile(type, request, byFiles);
  if (why !== null) fail({ code: NOT_BY_FILE, message: why });
  checkFileCommandLine(type, kernel, commandLine, byFiles.addedByKernel);
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
    notes: [...byFiles.notes, ...fileScreenNotes(facts)],
    warnings: byFiles.warnings(fileSizes(type, kernel, files.initrd), commandLine),
  };
}
