/** One attempt to load: reads the files that a kind of plan needs, and plans. */

import { containerOf } from "../arch/index.ts";
import { ExitStatus, KexecError } from "../core/error.ts";
import { readContainer } from "../image/read-image.ts";
import type { ContainerParts } from "../model/container.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { InputFile, ModuleFile, PlanInputs } from "../model/image-type.ts";
import type { FileReference, LoadPlan, NotByFile, PlanKind } from "../model/load-plan.ts";
import { kindsToTry } from "../model/plan-kinds.ts";
import type { LoaderRequest, LoadRequest } from "../model/request.ts";
import type { World } from "../model/world.ts";
import { buildFilePlan, buildSegmentPlan } from "../plan/build-plan.ts";
import { wrapperOf } from "../wrapper/recognise.ts";

/** A plan, and the facts of the machine that it was made for. */
export interface Planned {
  readonly plan: LoadPlan;
  readonly facts: HostFacts;
}

/** Where the facts come from: this machine, or a file that was saved on another. */
export async function factsFor(request: LoadRequest, world: World): Promise<HostFacts> {
  if (request.facts === null) return world.readFacts();
  // Reading a file of facts takes a schema of them, which takes its time to make.
  const { factsFromJson } = await import("../facts/facts-file.ts");
  return factsFromJson(world.readText(request.facts));
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
    const part = file.part ?? "what the file expands to";
    return { image: { path: file.path, bytes, part, sha256: null }, layers: notes };
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    const of = file.part === undefined ? "" : `Of ${file.part}: `;
    const hint = [`${of}${error.message}`, error.hint].filter(Boolean).join("\n");
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

/** What is in `file`. @throws KexecError `image.*` for a container that is broken */
async function extract(file: InputFile, request: LoadRequest, world: World): Promise<Parts> {
  const outer = await unwrapped(file, world);
  const { path } = file;
  const container = containerOf(outer.image.bytes);
  if (container === undefined) return { ...outer, request, initrd: null, deviceTree: null };
  const parts = readContainer(container, file, outer.image.bytes);
  const part = `the kernel in the ${container.type.name} image`;
  const inner = await unwrapped({ path, part, bytes: parts.kernel, sha256: null }, world);
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

/**
 * Reads what a plan of this `kind` needs and makes it, or says why this kind cannot be one.
 * @param known the facts, where they were read already
 * @throws KexecError where no other kind would do better
 */
export function planAttempt(
  kind: PlanKind,
  kernel: KernelFile,
  request: LoadRequest,
  world: World,
  known?: HostFacts,
): Promise<Planned | NotByFile> {
  const attempt = {
    kernel,
    request,
    world,
    readFacts: async () => known ?? factsFor(request, world),
  };
  return kind === "file" ? planByFile(attempt) : planBySegments(attempt);
}

interface Attempt {
  readonly kernel: KernelFile;
  readonly request: LoadRequest;
  readonly world: World;
  /** Called after the kernel is read, whose messages come first. */
  readonly readFacts: () => Promise<HostFacts>;
}

/** The files are opened, for the kernel to read; what is extracted from one is handed over in a
 * file in memory. */
async function planByFile(attempt: Attempt): Promise<Planned | NotByFile> {
  const { kernel, request, world, readFacts } = attempt;
  const { path } = kernel;
  const file = world.openInput(path, "kernel");
  const parts = await kernel.parts(() => world.readOpened(file), request, world);
  const { image, layers } = parts;
  const facts = await readFacts();
  const { initrd } = request.loader;
  const ramdisk = initrd === null ? null : world.openInput(initrd, "initrd", path);
  const plan = buildFilePlan(parts.request, facts, image, { kernel: file, initrd: ramdisk });
  if ("notByFile" in plan) return plan;
  if (layers.length === 0) return { plan, facts };
  const leftOut = treeLeftOut(parts, kindsToTry(request.method, facts.planKinds));
  if ("notByFile" in leftOut) return leftOut;
  const extracted = (role: "kernel" | "initrd", bytes: Uint8Array): FileReference => ({
    ...world.memoryFile(path, role, bytes),
    extracted: true,
  });
  // Only what was extracted from the file is copied: that one may carry a signature of its own.
  const own = parts.initrd && extracted("initrd", parts.initrd.bytes);
  const handed = {
    kernel: extracted("kernel", image.bytes),
    initrd: ramdisk ?? own,
    notes: [...layers, ...plan.notes],
    warnings: [...plan.warnings, ...leftOut.warnings],
  };
  return { plan: { ...plan, ...handed }, facts };
}

/** Everything is read into memory. */
async function planBySegments(attempt: Attempt): Promise<Planned> {
  const { kernel, request, world, readFacts } = attempt;
  const read = () => world.readInput(kernel.path, "kernel", false);
  const parts = await kernel.parts(read, request, world);
  const { image, layers } = parts;
  const facts = await readFacts();
  const { extras, notes } = await readExtras(request, world);
  const initrd = extras.initrd ?? parts.initrd;
  const dtb = extras.dtb ?? parts.deviceTree;
  const plan = buildSegmentPlan(parts.request, facts, { ...extras, kernel: image, initrd, dtb });
  return { plan: { ...plan, notes: [...layers, ...notes, ...plan.notes] }, facts };
}

/**
 * A warning where the image has a device tree that kexec_file_load does not take, so that this
 * attempt does without it: so does the kernel when firmware starts the image.
 * @param kinds what is tried: where another kind passes the tree on, that one has precedence
 */
function treeLeftOut(
  { deviceTree }: Parts,
  kinds: readonly PlanKind[],
): NotByFile | { readonly warnings: readonly string[] } {
  if (deviceTree === null) return { warnings: [] };
  const why = "kexec_file_load takes no device tree, and there is one in the image (.dtb)";
  if (kinds.includes("segments")) return { notByFile: why };
  return { warnings: [`${why}: the next kernel does without it; with -c it gets it`] };
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
