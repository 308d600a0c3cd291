/** One attempt to load: reads the files that this kind of plan needs, and plans. Part of run.ts. */

import { containerOf } from "../arch/index.ts";
import { asciiJson } from "../cli/ascii-json.ts";
import { debugText } from "../cli/report.ts";
import { ExitStatus, fail, KexecError } from "../core/error.ts";
import { readContainer } from "../image/read-image.ts";
import type { ContainerParts } from "../model/container.ts";
import { noteSentence } from "../model/fact-note.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { InputFile, ModuleFile, PlanInputs } from "../model/image-type.ts";
import type { FileReference, LoadPlan, PlanKind } from "../model/load-plan.ts";
import { kindsToTry } from "../model/plan-kinds.ts";
import type { LoaderRequest, LoadRequest, RunRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { buildFilePlan, buildSegmentPlan } from "../plan/build-plan.ts";
import { hotplugHeaderSize } from "../plan/crash/crash-plan.ts";
import { requireCrashRegion } from "../plan/crash/crash-region.ts";
import { describePlan, planToJson } from "../plan/describe-plan.ts";
import { wrapperOf } from "../wrapper/recognise.ts";

interface Planned {
  readonly plan: LoadPlan;
  readonly facts: HostFacts;
}

/** A kind of plan that cannot do what is asked, where another may. */
interface Unplannable {
  readonly unsupported: string;
}

/** Where the facts come from: this machine, or a file that was saved on another. */
async function factsFor(request: LoadRequest, world: World): Promise<HostFacts> {
  if (request.facts === null) return world.readFacts();
  // Reading a file of facts takes a schema of them, which takes its time to make.
  const { factsFromJson } = await import("../facts/facts-file.ts");
  return factsFromJson(world.readText(request.facts));
}

/**
 * Refuses what cannot be done on this machine whatever the files are, before any is read and before
 * anything is unloaded, as kexec-tools does.
 * @throws KexecError `plan.no-crash-region`, `plan.hotplug`
 */
export function refuseEarly({ steps, purpose, hotplug }: RunRequest, facts: HostFacts): void {
  if (steps.load && purpose === "crash") requireCrashRegion(facts);
  if (hotplug) hotplugHeaderSize(facts);
}

/** A kernel file that attempts share: what is extracted from it is kept for the next one. */
export class KernelFile {
  readonly path: string;
  #parts: Parts | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * What is in it. Only the first attempt has it read, whose messages there are then.
   * @throws KexecError `image.*`, and those of `read`
   */
  async parts(read: () => InputFile, request: LoadRequest, world: World): Promise<Parts> {
    this.#parts ??= await extract(read(), request, world);
    return this.#parts;
  }
}

/**
 * Reads what a plan of this `kind` needs and makes it, or says why this kind cannot be one.
 * @param known the facts, where they were read already
 * @throws KexecError where no other kind would do better
 */
export async function planAttempt(
  kind: PlanKind,
  kernel: KernelFile,
  request: LoadRequest,
  world: World,
  known?: HostFacts,
): Promise<Planned | Unplannable> {
  return kind === "file"
    ? planByFile(kernel, request, world, known)
    : planBySegments(kernel, request, world, known);
}

/** The image in a kernel file, and a note for each wrapper that it was in. */
interface Unwrapped {
  readonly image: InputFile;
  readonly layers: readonly string[];
}

async function unwrapped(file: InputFile, world: World): Promise<Unwrapped> {
  if (wrapperOf(file.bytes) === null) return { image: file, layers: [] };
  const { unwrap } = await import("../wrapper/unwrap.ts");
  try {
    const { bytes, notes } = unwrap(file.bytes, world.expandLzma);
    return { image: { path: file.path, bytes, sha256: null }, layers: notes };
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    const hint = [error.message, error.hint].filter(Boolean).join("\n");
    const message = `Cannot determine the file type of ${file.path}`;
    const { failed: exitStatus } = ExitStatus;
    throw new KexecError({ code: error.code, message, hint, exitStatus, cause: error });
  }
}

/** What is to be planned: of a container, its parts where nothing else was asked for. */
interface Parts extends Unwrapped {
  readonly request: LoadRequest;
  /** From inside the image, as the next. */
  readonly initrd: InputFile | null;
  readonly deviceTree: InputFile | null;
}

const COMMAND_LINE_OPTIONS = ["command-line", "append", "reuse-cmdline"];

const givesCommandLine = ({ given }: LoaderRequest): boolean =>
  COMMAND_LINE_OPTIONS.some((name) => given.includes(name));

/** A note of each part of a container that another was given for. */
function notUsed(parts: ContainerParts, loader: LoaderRequest): string[] {
  const replaced = [
    parts.commandLine !== null && givesCommandLine(loader) ? "command line" : null,
    parts.initrd !== null && loader.initrd !== null ? "initrd" : null,
    parts.deviceTree !== null && loader.dtb !== null ? "device tree" : null,
  ].filter((part) => part !== null);
  return replaced.map((part) => `the ${part} inside is not used: another was given`);
}

/** @throws KexecError `image.*` for a container that is broken */
async function extract(file: InputFile, request: LoadRequest, world: World): Promise<Parts> {
  const outer = await unwrapped(file, world);
  const { path } = file;
  const container = containerOf(outer.image.bytes);
  if (container === undefined) return { ...outer, request, initrd: null, deviceTree: null };
  const parts = readContainer(container, file, outer.image.bytes);
  const inner = await unwrapped({ path, bytes: parts.kernel, sha256: null }, world);
  const { loader } = request;
  const commandLine = givesCommandLine(loader) ? loader.commandLine : parts.commandLine;
  const inside = (bytes: Uint8Array | null, given: string | null) =>
    bytes === null || given !== null ? null : { path, bytes, sha256: null };
  const type = request.type === container.type.name ? null : request.type;
  return {
    image: inner.image,
    layers: [...outer.layers, ...parts.notes, ...notUsed(parts, loader), ...inner.layers],
    request: { ...request, type, loader: { ...loader, commandLine } },
    initrd: inside(parts.initrd, loader.initrd),
    deviceTree: inside(parts.deviceTree, loader.dtb),
  };
}

async function planByFile(
  kernel: KernelFile,
  request: LoadRequest,
  world: World,
  known?: HostFacts,
): Promise<Planned | Unplannable> {
  const { path } = kernel;
  const { initrd } = request.loader;
  const file = world.openInput(path, "kernel");
  const parts = await kernel.parts(() => world.readOpened(file), request, world);
  const { image, layers } = parts;
  const facts = known ?? (await factsFor(request, world));
  const ramdisk = initrd === null ? null : world.openInput(initrd, "initrd", path);
  const plan = buildFilePlan(parts.request, facts, image, { kernel: file, initrd: ramdisk });
  if (plan.kind === "not-by-file") return { unsupported: plan.why };
  if (layers.length === 0) return { plan, facts };
  // What can pass the device tree on has precedence.
  const lost = parts.deviceTree === null ? null : TREE_NOT_BY_FILE;
  const passedOn = kindsToTry(request.method, facts.planKinds).includes("segments");
  if (lost !== null && passedOn) return { unsupported: lost };
  const extracted = (role: "kernel" | "initrd", bytes: Uint8Array): FileReference => ({
    ...world.memoryFile(path, role, bytes),
    extracted: true,
  });
  // Only what was extracted is copied: a file that is given as it is may carry a signature.
  const own = parts.initrd && extracted("initrd", parts.initrd.bytes);
  const warning =
    lost === null ? [] : [`${lost}: the next kernel does without it; with -c it gets it`];
  const handed = {
    kernel: extracted("kernel", image.bytes),
    initrd: ramdisk ?? own,
    notes: [...layers, ...plan.notes],
    warnings: [...plan.warnings, ...warning],
  };
  return { plan: { ...plan, ...handed }, facts };
}

/** So does the kernel when firmware starts the image. */
const TREE_NOT_BY_FILE =
  "kexec_file_load takes no device tree, and there is one in the image (.dtb)";

async function planBySegments(
  kernel: KernelFile,
  request: LoadRequest,
  world: World,
  known?: HostFacts,
): Promise<Planned> {
  const read = () => world.readInput(kernel.path, "kernel", false);
  const parts = await kernel.parts(read, request, world);
  const { image, layers } = parts;
  const facts = known ?? (await factsFor(request, world));
  const { extras, notes } = await readExtras(request, world);
  const initrd = extras.initrd ?? parts.initrd;
  const dtb = extras.dtb ?? parts.deviceTree;
  const plan = buildSegmentPlan(parts.request, facts, { ...extras, kernel: image, initrd, dtb });
  return { plan: { ...plan, notes: [...layers, ...notes, ...plan.notes] }, facts };
}

/** What goes with a kernel that we lay out ourselves, and notes of what was done to it. */
interface Extras {
  readonly extras: Omit<PlanInputs, "kernel">;
  readonly notes: readonly string[];
}

async function readExtras({ loader, skipChecks }: LoadRequest, world: World): Promise<Extras> {
  const hash = !skipChecks;
  const { initrd, dtb } = loader;
  const notes: string[] = [];
  const ramdisk = initrd === null ? null : world.readInput(initrd, "initrd", hash);
  const modules: ModuleFile[] = [];
  for (const commandLine of loader.modules) {
    const path = commandLine.split(" ", 1)[0] ?? "";
    const file = world.readInput(path, "module", hash);
    const expanded = await expandedModule(file, world);
    modules.push({ ...expanded.image, commandLine });
    notes.push(...expanded.layers.map((note) => `${path}: ${note}`));
  }
  const tree = dtb === null ? null : world.readInput(dtb, "device-tree", false);
  return { extras: { initrd: ramdisk, modules, dtb: tree }, notes };
}

/** A module, expanded where it is compressed. */
async function expandedModule(file: InputFile, world: World): Promise<Unwrapped> {
  if (wrapperOf(file.bytes) === null) return { image: file, layers: [] };
  const { expandModule } = await import("../wrapper/unwrap.ts");
  const { bytes, notes: layers } = expandModule(file.bytes, world.expandLzma);
  const image = bytes === file.bytes ? file : { path: file.path, bytes, sha256: null };
  return { image, layers };
}

/** kexec-tools' line and status for what no kind of plan could do. */
export function failUnsupported(hint: string): never {
  fail({
    code: "kernel.unsupported",
    message: "syscall kexec_file_load not available.",
    hint,
    exitStatus: ExitStatus.fallback,
  });
}

/** What `-d` prints of a plan: what could not be read of the machine, and the plan itself. */
export function debugPlan({ plan, facts }: Planned, world: World): void {
  world.stderr(debugText([...facts.notes.map(noteSentence), ...describePlan(plan, facts)]));
}

/**
 * Plans and prints; changes nothing. Returns the exit status.
 * @throws KexecError where no plan can be made
 */
export async function dryRun(kernel: string, request: RunRequest, world: World): Promise<number> {
  if (request.facts === null) world.backend().admit(request.purpose, "load");
  const facts = await factsFor(request, world);
  refuseEarly(request, facts);
  const kinds = kindsToTry(request.method, facts.planKinds);
  const file = new KernelFile(kernel);
  const planned: Planned[] = [];
  for (const kind of kinds) {
    const attempt = await planAttempt(kind, file, request, world, facts);
    if ("plan" in attempt) planned.push(attempt);
    else if (kinds.length === 1) failUnsupported(attempt.unsupported);
    else world.stderr(`kexec_file_load is not tried: ${attempt.unsupported}\n`);
  }
  if (request.dryRun === "json") {
    const attempts = planned.map(({ plan }) => planToJson(plan));
    world.stdout(`${asciiJson({ format: 1, attempts })}\n`);
    return ExitStatus.ok;
  }
  planned.forEach(({ plan, facts }, i) => {
    if (planned.length > 1) {
      world.stdout(i === 0 ? "first attempt:\n" : "\nif the kernel does not take that:\n");
    }
    world.stdout(debugText(describePlan(plan, facts)));
  });
  return ExitStatus.ok;
}
