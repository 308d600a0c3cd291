/** One attempt to load: reads the files that a kind of plan needs, and makes the plan. */

import { containerOf, imageTypes } from "../arch/index.ts";
import { ExitStatus, KexecError } from "../core/error.ts";
import { memoryNote } from "../facts/meminfo.ts";
import { checkStart, readContainer } from "../image/read-image.ts";
import type { ContainerParts } from "../model/container.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { InputFile, ModuleFile, PlanInputs } from "../model/image-type.ts";
import type { FileReference, LoadPlan, NotByFile, PlanKind } from "../model/load-plan.ts";
import { kindsToTry } from "../model/plan-kinds.ts";
import type { LoaderRequest, LoadRequest } from "../model/request.ts";
import type { Input, InputRole, World } from "../model/world.ts";
import { buildFilePlan, type HandedFiles } from "../plan/build-plan.ts";
import { wrapperOf } from "../wrapper/recognise.ts";
import { planUnpacked } from "./unpack.ts";

/** A plan and the facts that it was made from. */
export interface Planned {
  readonly plan: LoadPlan;
  readonly facts: HostFacts;
}

/**
 * Reads the facts: of this machine, or from a file that was saved on another.
 * @throws KexecError `facts.*`, and those of reading the file
 */
export async function factsFor(request: LoadRequest, world: World): Promise<HostFacts> {
  if (request.facts === null) return world.readFacts();
  // Only a facts file needs the zod schema, which takes time to build.
  const { factsFromJson } = await import("../facts/facts-file.ts");
  return factsFromJson(world.readText(request.facts));
}

/** The files of a load. All attempts share them, so that each is opened and read, and the kernel's
 * extracted, only once; `close` ends that. */
export class LoadFiles {
  readonly kernel: string;
  readonly #world: World;
  readonly #opened = new Map<string, Input>();
  #parts: Parts | null = null;
  /** Nothing is mapped any more, whatever is opened. */
  #onlyCopies = false;

  constructor(kernel: string, world: World) {
    this.kernel = kernel;
    this.#world = world;
  }

  /** For an attempt by kexec_file_load. @throws KexecError as `World.openInput` */
  open(path: string, role: InputRole, kernel: string | null): Input {
    const name = `${role} ${path}`;
    const opened = this.#opened.get(name) ?? this.#world.openInput(path, role, kernel);
    if (this.#onlyCopies) opened.unmap();
    this.#opened.set(name, opened);
    return opened;
  }

  /** For an attempt by kexec_load.
   * @throws KexecError as `World.openInput` and `Input.read` */
  read(path: string, role: InputRole): InputFile {
    return this.open(path, role, null).read();
  }

  /** Whether what was read from one of them must not be loaded, as another process has changed
   * it. */
  changed(): boolean {
    return this.#inputs().some((input) => input.changed());
  }

  /** Has what was mapped read again, and copied as all else: nothing is `changed` any more. */
  readAgain(): void {
    this.#onlyCopies = true;
    for (const input of this.#inputs()) input.unmap();
    this.#parts = null;
  }

  /** Closes all. What was read must not be used any more. */
  close(): void {
    for (const input of this.#inputs()) input.close();
    this.#opened.clear();
    this.#parts = null;
  }

  #inputs(): readonly Input[] {
    return [...this.#opened.values()];
  }

  /**
   * What is in the kernel's file.
   * @throws KexecError `image.*`, and those of `read`
   */
  async parts(read: () => InputFile, request: LoadRequest): Promise<Parts> {
    this.#parts ??= await extract(read(), request, this.#world);
    return this.#parts;
  }
}

/** The image in a kernel file, and one note for each wrapper around it. */
interface Unwrapped {
  readonly image: InputFile;
  readonly layers: readonly string[];
}

/** The most bytes that a file may expand to: `most`, but no more than there is memory for. */
const expandLimit = (most: number, world: World): number =>
  Math.min(most, Number(world.availableMemory() ?? most));

/** @throws KexecError `image.undetermined` as soon as what `file` expands to is of no image type,
 *   `image.wrapper` and `struct.truncated` where it cannot be expanded */
async function unwrapped(
  file: InputFile,
  { loader }: LoadRequest,
  world: World,
): Promise<Unwrapped> {
  if (wrapperOf(file.bytes) === null) return { image: file, layers: [] };
  const { EXPANDED_LIMIT, unwrap } = await import("../wrapper/unwrap.ts");
  const part = file.part ?? "what the file expands to";
  const limit = expandLimit(EXPANDED_LIMIT, world);
  let refusal: unknown = null;
  const check = (bytes: Uint8Array): void => {
    if (wrapperOf(bytes) !== null) return;
    try {
      checkStart(imageTypes(), { path: file.path, bytes, part }, loader);
    } catch (error) {
      refusal = error;
      throw error;
    }
  };
  try {
    const { bytes, notes } = unwrap(file.bytes, world.expandLzma, limit, check);
    return { image: { path: file.path, bytes, part }, layers: notes };
  } catch (error) {
    if (!(error instanceof KexecError) || error === refusal) throw error;
    const of = file.part === undefined ? "" : `Of ${file.part}: `;
    const memory = limit < EXPANDED_LIMIT ? memoryNote(BigInt(limit)) : "";
    const hint = [`${of}${error.message}`, memory, error.hint].filter(Boolean).join("\n");
    const message = `Cannot determine the file type of ${file.path}`;
    const { failed: exitStatus } = ExitStatus;
    throw new KexecError({ code: error.code, message, hint, exitStatus, cause: error });
  }
}

/** What the plan is made of. The parts of a container are used where no option replaces them. */
interface Parts extends Unwrapped {
  readonly request: LoadRequest;
  /** From inside the container, as is the device tree; null: there is none, or an option replaces
   * it. */
  readonly initrd: InputFile | null;
  readonly deviceTree: InputFile | null;
}

const COMMAND_LINE_OPTIONS = ["command-line", "append", "reuse-cmdline"];

const givesCommandLine = ({ given }: LoaderRequest): boolean =>
  COMMAND_LINE_OPTIONS.some((name) => given.includes(name));

/** A note for each part of a container that an option replaces. */
function notUsed(parts: ContainerParts, loader: LoaderRequest): string[] {
  const replaced = [
    parts.commandLine !== null && givesCommandLine(loader) ? "command line" : null,
    parts.initrd !== null && loader.initrd !== null ? "initrd" : null,
    parts.deviceTree !== null && loader.dtb !== null ? "device tree" : null,
  ].filter((part) => part !== null);
  return replaced.map((part) => `the ${part} in the image is not used: an option replaces it`);
}

/**
 * Unwraps `file` and, if it is a container, takes it apart.
 * @throws KexecError `image.*` for a wrapper or a container that is damaged
 */
async function extract(file: InputFile, request: LoadRequest, world: World): Promise<Parts> {
  const outer = await unwrapped(file, request, world);
  const { path } = file;
  const container = containerOf(outer.image.bytes);
  if (container === undefined) return { ...outer, request, initrd: null, deviceTree: null };
  const parts = readContainer(container, file, outer.image.bytes);
  const part = `the kernel in the ${container.type.name} image`;
  const wrapped = { path, part, bytes: parts.kernel };
  const inner = await unwrapped(wrapped, request, world);
  const { loader } = request;
  const commandLine = givesCommandLine(loader) ? loader.commandLine : parts.commandLine;
  const inside = (bytes: Uint8Array | null, given: string | null) =>
    bytes === null || given !== null ? null : { path, bytes };
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
 * Reads the files that a plan of this `kind` needs, and makes the plan: once more, from copies,
 * where a file that was mapped has changed meanwhile. Returns `NotByFile` with the reason where
 * kexec_file_load cannot load the image.
 * @param known the facts, if they were read before
 * @throws KexecError where another kind of plan would fail as well
 */
export async function planAttempt(
  kind: PlanKind,
  files: LoadFiles,
  request: LoadRequest,
  world: World,
  known?: HostFacts,
): Promise<Planned | NotByFile> {
  const attempt = {
    files,
    request,
    world,
    readFacts: async () => known ?? factsFor(request, world),
  };
  const plan = () => (kind === "file" ? planByFile(attempt) : planBySegments(attempt));
  try {
    const planned = await plan();
    if (!files.changed()) return planned;
  } catch (error) {
    // What is wrong may be wrong with what was half changed.
    if (!files.changed()) throw error;
  }
  files.readAgain();
  return plan();
}

interface Attempt {
  readonly files: LoadFiles;
  readonly request: LoadRequest;
  readonly world: World;
  /** Called after the kernel file is read, so that errors in that file are reported first. */
  readonly readFacts: () => Promise<HostFacts>;
}

/** Plans a load by kexec_file_load: opens the files, and the running kernel reads them. A kernel or
 * initrd that was extracted from its file is handed over in a file in memory (memfd). */
async function planByFile(attempt: Attempt): Promise<Planned | NotByFile> {
  const { files, request, world, readFacts } = attempt;
  const path = files.kernel;
  const input = files.open(path, "kernel", null);
  const parts = await files.parts(() => input.read(), request);
  const { image, layers } = parts;
  const facts = await readFacts();
  const { initrd } = request.loader;
  const given = initrd === null ? null : files.open(initrd, "initrd", path);
  const handOver = () => handedFiles(parts, input, given, world);
  const plan = buildFilePlan(parts.request, facts, image, handOver);
  if ("notByFile" in plan) return plan;
  const leftOut = treeLeftOut(parts, kindsToTry(request.method, facts.planKinds));
  if ("notByFile" in leftOut) return leftOut;
  const notes = [...layers, ...plan.notes];
  const warnings = [...plan.warnings, ...leftOut.warnings];
  return { plan: { ...plan, notes, warnings }, facts };
}

/** Only what was extracted is copied: the file that was given may carry a signature of its own. */
function handedFiles(
  parts: Parts,
  kernel: Input,
  initrd: Input | null,
  world: World,
): HandedFiles | NotByFile {
  const { path, bytes } = parts.image;
  const handed =
    parts.layers.length === 0 ? kernel.reference() : extracted(world, path, "kernel", bytes);
  if ("notByFile" in handed) return handed;
  const own = parts.initrd && extracted(world, path, "initrd", parts.initrd.bytes);
  const ramdisk = initrd === null ? own : initrd.reference();
  if (ramdisk !== null && "notByFile" in ramdisk) return ramdisk;
  return { kernel: handed, initrd: ramdisk };
}

/** A file in memory with what was extracted from the file at `path`. */
function extracted(
  world: World,
  path: string,
  role: "kernel" | "initrd",
  bytes: Uint8Array,
): FileReference | NotByFile {
  const file = world.memoryFile(path, role, bytes);
  return "notByFile" in file ? file : { ...file, extracted: true };
}

/** Plans a load by kexec_load: reads all files into memory. */
async function planBySegments(attempt: Attempt): Promise<Planned> {
  const { files, request, world, readFacts } = attempt;
  const parts = await files.parts(() => files.read(files.kernel, "kernel"), request);
  const { image, layers } = parts;
  const facts = await readFacts();
  const { extras, notes } = await readExtras(request, files, world);
  const initrd = extras.initrd ?? parts.initrd;
  const dtb = extras.dtb ?? parts.deviceTree;
  const inputs = { ...extras, kernel: image, initrd, dtb };
  const plan = await planUnpacked(parts.request, facts, inputs, world);
  return { plan: { ...plan, notes: [...layers, ...notes, ...plan.notes] }, facts };
}

/**
 * kexec_file_load cannot pass on the device tree in the image. Returns `NotByFile` where kexec_load
 * is tried too, which can, and else a warning: the next kernel boots without the tree, as it does
 * when firmware starts the image.
 * @param kinds the kinds of plan that are tried
 */
function treeLeftOut(
  { deviceTree }: Parts,
  kinds: readonly PlanKind[],
): NotByFile | { readonly warnings: readonly string[] } {
  if (deviceTree === null) return { warnings: [] };
  const why = "kexec_file_load cannot pass on the device tree in the image (.dtb)";
  if (kinds.includes("segments")) return { notByFile: why };
  return { warnings: [`${why}: the next kernel boots without it; kexec_load (-c) passes it on`] };
}

/** The files that go with a kernel that kexec_load loads, and a note for each expansion of a
 * module. */
interface Extras {
  readonly extras: Omit<PlanInputs, "kernel">;
  readonly notes: readonly string[];
}

async function readExtras(
  { loader }: LoadRequest,
  files: LoadFiles,
  world: World,
): Promise<Extras> {
  const { initrd, dtb } = loader;
  const notes: string[] = [];
  const ramdisk = initrd === null ? null : files.read(initrd, "initrd");
  const modules: ModuleFile[] = [];
  for (const commandLine of loader.modules) {
    const path = commandLine.split(" ", 1)[0] ?? "";
    const file = files.read(path, "module");
    const expanded = await expandedModule(file, world);
    modules.push({ ...expanded.image, commandLine });
    notes.push(...expanded.layers.map((note) => `${path}: ${note}`));
  }
  const tree = dtb === null ? null : files.read(dtb, "device-tree");
  return { extras: { initrd: ramdisk, modules, dtb: tree }, notes };
}

/** A module, expanded where it is compressed. */
async function expandedModule(file: InputFile, world: World): Promise<Unwrapped> {
  if (wrapperOf(file.bytes) === null) return { image: file, layers: [] };
  const { EXPANDED_LIMIT, expandModule } = await import("../wrapper/unwrap.ts");
  const limit = expandLimit(EXPANDED_LIMIT, world);
  const { bytes, notes: layers } = expandModule(file.bytes, world.expandLzma, limit);
  const image = bytes === file.bytes ? file : { path: file.path, bytes };
  return { image, layers };
}
