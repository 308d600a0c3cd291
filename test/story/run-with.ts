/** The program in a world that only writes things down. */

import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KexecError } from "../../src/core/error.ts";
import { expandLzma } from "../../src/edge/ffi/lzma.ts";
import { factsFromJson, factsToJson } from "../../src/facts/facts-file.ts";
import type { Backend, LoadOutcome } from "../../src/model/backend.ts";
import type { InputFile } from "../../src/model/image-type.ts";
import type { LoadPlan, NotByFile } from "../../src/model/load-plan.ts";
import type { ImagePurpose } from "../../src/model/purpose.ts";
import type { Input, InputRole, World } from "../../src/model/world.ts";
import { runKexec } from "../../src/story/kexec.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";

const MACHINES = join(import.meta.dir, "../facts/machines");
const FACTS_TEXT = readFileSync(join(MACHINES, "qemu-1g-bios.json"), "utf8");

/** Facts of a machine with a crash region. */
const CRASH_FACTS_TEXT = readFileSync(
  join(import.meta.dir, "../facts/machines/qemu-2g-vesa-edd-crash.json"),
  "utf8",
);

export interface Settings {
  /** The machine has a crash region. */
  readonly crashRegion?: boolean;
  readonly loaded?: boolean | null;
  readonly crashLoaded?: boolean | null;
  /** null: there is no live update, and asking for it is a mistake. */
  readonly liveUpdateLoaded?: boolean | null;
  /** How each attempt ends; the last one is used again. */
  readonly outcomes?: readonly (LoadOutcome | KexecError)[];
  readonly unloadFails?: KexecError;
  readonly doubt?: string;
  /** The kernel is compressed by xz. */
  readonly compressed?: boolean;
  /** The kernel's file, in place of a bzImage. */
  readonly kernel?: Uint8Array;
  /** The file of each `--module`. */
  readonly module?: Uint8Array;
  readonly availableMemory?: bigint;
  /** All files are mapped, and another process changes that of this role while it is read, or while
   * it is loaded. `first` is what it has until it is copied, if not the same. */
  readonly changing?: {
    readonly role: InputRole;
    readonly during: "read" | "load";
    readonly first?: Uint8Array;
  };
  /** Why something of stdout is lost. */
  readonly lostOutput?: string;
  /** Why there is no file in memory; every input needs one. */
  readonly noCopy?: NotByFile;
}

export interface Result {
  readonly status: number;
  readonly actions: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly plans: readonly LoadPlan[];
}

export const UNSUPPORTED: LoadOutcome = { kind: "unsupported", why: "Invalid argument" };
export const LOADED: LoadOutcome = { kind: "loaded" };
export const NO_COPY: NotByFile = {
  notByFile: "cannot put K into a file in memory: memfd_create: Operation not permitted",
  failure: new KexecError({
    code: "file.memory",
    message: "cannot put K into a file in memory: memfd_create: Operation not permitted",
    hint: "Try -c.",
    exitStatus: 255,
  }),
};
const EXEC_FAILED = new KexecError({
  code: "kernel.exec",
  message: "kexec failed: Operation not permitted",
  exitStatus: 255,
});

function loadedOf(purpose: ImagePurpose, settings: Settings): boolean | null | undefined {
  if (purpose === "crash") return settings.crashLoaded;
  return purpose === "live-update" ? settings.liveUpdateLoaded : settings.loaded;
}

function fakeBackend(settings: Settings, actions: string[], plans: LoadPlan[]): Backend {
  const outcomes = [...(settings.outcomes ?? [LOADED])];
  return {
    name: "linux",
    mapsFiles: true,
    evidence: ["no Xen here"],
    checkSupported: (purpose, action) => {
      if (purpose === "live-update" && (settings.liveUpdateLoaded ?? null) === null)
        throw new KexecError({ code: "host.live-update", message: action });
    },
    probe: () => [],
    attempts: (method) => (method === "auto" ? ["file", "segments"] : [method]),
    hostFacts: (linux) => linux,
    load(plan) {
      plans.push(plan);
      actions.push(`load ${plan.kind}`);
      const outcome = outcomes.length > 1 ? outcomes.shift() : outcomes[0];
      if (outcome instanceof KexecError) throw outcome;
      return outcome ?? LOADED;
    },
    unload(purpose, method) {
      actions.push(`unload ${purpose} ${method}`);
      if (settings.unloadFails !== undefined) throw settings.unloadFails;
    },
    loadedState: (purpose) => ({
      loaded: loadedOf(purpose, settings) ?? null,
      doubt: settings.doubt ?? null,
    }),
    exec() {
      actions.push("exec");
      throw EXEC_FAILED;
    },
    loadJumpBack(entry) {
      actions.push(`jump back ${entry}`);
    },
    close() {},
  };
}

/** An input that is mapped where it is to change, and then copied. */
function fakeInput(
  path: string,
  role: InputRole,
  bytes: Uint8Array,
  { changing, noCopy }: Settings,
  actions: string[],
): Input {
  const changes = changing?.role === role ? changing : undefined;
  let isMapped = changing !== undefined;
  let current: InputFile | null = null;
  return {
    read() {
      if (current === null) {
        actions.push(isMapped ? `map ${role}` : `read ${role}`);
        current = { path, bytes: (isMapped && changes?.first) || bytes };
      }
      return current;
    },
    reference: () => noCopy ?? { path, fd: 7, size: BigInt(bytes.length) },
    changed: () =>
      changes !== undefined &&
      isMapped &&
      current !== null &&
      (changes.during === "read" || actions.some((action) => action.startsWith("load "))),
    unmap() {
      if (isMapped) current = null;
      isMapped = false;
    },
    close: () => {},
  };
}

export async function runWith(line: string, settings: Settings = {}): Promise<Result> {
  const actions: string[] = [];
  const plans: LoadPlan[] = [];
  let stdout = "";
  let stderr = "";
  const kernel = settings.kernel ?? makeBzImage();
  const image = settings.compressed ? packedBy(["xz", "-c"], kernel) : kernel;
  const backend = fakeBackend(settings, actions, plans);
  const world: World = {
    argv0: "kexec",
    argv: line === "" ? [] : line.split(" "),
    env: () => undefined,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    lostOutput: () => settings.lostOutput ?? null,
    readFacts: () => factsFromJson(settings.crashRegion ? CRASH_FACTS_TEXT : FACTS_TEXT),
    openInput(path, role) {
      actions.push(`open ${role}`);
      const other = role === "module" ? settings.module : undefined;
      const bytes = role === "kernel" ? image : (other ?? new Uint8Array(9000));
      return fakeInput(path, role, bytes, settings, actions);
    },
    random: () => Promise.resolve(0x123456789abcdefn),
    memoryFile(path, role, bytes) {
      actions.push(`memory file ${role}`);
      return settings.noCopy ?? { path, fd: 8, size: BigInt(bytes.length) };
    },
    availableMemory: () => settings.availableMemory ?? null,
    expandLzma(...input) {
      actions.push("expand");
      return expandLzma(...input);
    },
    readText: (path) => {
      actions.push(`read ${path}`);
      return FACTS_TEXT;
    },
    writeText(path, text) {
      actions.push(`write ${path}`);
      expect(text).toBe(factsToJson(factsFromJson(FACTS_TEXT)));
    },
    backend: () => backend,
    sync: () => actions.push("sync"),
    ifdown: () => actions.push("ifdown"),
    shutdown() {
      actions.push("shutdown");
      throw new KexecError({
        code: "host.shutdown",
        message: "shutdown: No such file or directory",
        exitStatus: 255,
      });
    },
    close: () => {},
  };
  const status = await runKexec(world, async () => world);
  return { status, actions, stdout, stderr, plans };
}
