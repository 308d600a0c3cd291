/** The order of actions, their failures, and exit statuses, with a world that only writes things
 * down. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KexecError } from "../../src/core/error.ts";
import { expandLzma } from "../../src/edge/ffi/lzma.ts";
import { factsFromJson, factsToJson } from "../../src/facts/facts-file.ts";
import type { Backend, LoadOutcome } from "../../src/model/backend.ts";
import type { LoadPlan } from "../../src/model/load-plan.ts";
import type { ImagePurpose } from "../../src/model/purpose.ts";
import type { World } from "../../src/model/world.ts";
import { DoctorJson, DryRunJson } from "../../src/plan/json-schema.ts";
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

interface Settings {
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
}

interface Result {
  readonly status: number;
  readonly actions: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly plans: readonly LoadPlan[];
}

const UNSUPPORTED: LoadOutcome = { kind: "unsupported", why: "Invalid argument" };
const LOADED: LoadOutcome = { kind: "loaded" };
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

async function runWith(line: string, settings: Settings = {}): Promise<Result> {
  const actions: string[] = [];
  const plans: LoadPlan[] = [];
  let stdout = "";
  let stderr = "";
  const kernel = makeBzImage();
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
    readFacts: () => factsFromJson(settings.crashRegion ? CRASH_FACTS_TEXT : FACTS_TEXT),
    readInput(path, role, hash) {
      actions.push(`read ${role}${hash ? " and hash" : ""}`);
      return { path, bytes: role === "kernel" ? image : new Uint8Array(9000), sha256: null };
    },
    openInput(path, role) {
      actions.push(`open ${role}`);
      return { path, fd: 7, size: BigInt(image.length) };
    },
    readOpened: ({ path }) => ({ path, bytes: image, sha256: null }),
    memoryFile(path, role, bytes) {
      actions.push(`memory file ${role}`);
      return { path, fd: 8, size: BigInt(bytes.length) };
    },
    expandLzma(bytes, limit) {
      actions.push("expand");
      return expandLzma(bytes, limit);
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

describe("the order of actions", () => {
  test.each<[string, Settings, string[], number]>([
    ["-c -l K --initrd=I", {}, ["read kernel", "read initrd and hash", "load segments", "sync"], 0],
    ["-c -l -i K --initrd=I", {}, ["read kernel", "read initrd", "load segments", "sync"], 0],
    ["-c -l -y K", {}, ["read kernel", "load segments"], 0],
    ["-s -l K --initrd=I", {}, ["open kernel", "open initrd", "load file", "sync"], 0],
    ["-l K", {}, ["open kernel", "load file", "sync"], 0],
    [
      "-l K",
      { outcomes: [UNSUPPORTED, LOADED] },
      ["open kernel", "load file", "load segments", "sync"],
      0,
    ],
    [
      "-l K",
      { compressed: true, outcomes: [UNSUPPORTED, LOADED] },
      ["open kernel", "expand", "memory file kernel", "load file", "load segments", "sync"],
      0,
    ],
    ["-e", { loaded: true }, ["sync", "ifdown", "exec"], 255],
    ["-e", { loaded: null }, ["sync", "ifdown", "exec"], 255],
    ["-e -x -y", { loaded: true }, ["exec"], 255],
    ["-e", { loaded: false }, [], 1],
    ["-u -e", { loaded: null }, ["unload normal auto"], 1],
    ["--exec-live-update", { liveUpdateLoaded: true }, ["sync", "ifdown", "exec"], 255],
    ["--exec-live-update", { liveUpdateLoaded: false, loaded: true }, [], 1],
    ["--exec-live-update", { loaded: true }, [], 1],
    ["--load-live-update K", { loaded: true }, [], 1],
    [
      "-c --load-live-update K",
      { liveUpdateLoaded: false },
      ["read kernel", "load segments", "sync"],
      0,
    ],
    ["-f --print-ckr-size K", { loaded: true }, [], 0],
    ["-c -f K", { loaded: true }, ["read kernel", "load segments", "sync", "ifdown", "exec"], 255],
    ["-c K", { loaded: true }, ["read kernel", "load segments", "shutdown"], 255],
    ["-c K", { loaded: false }, ["read kernel", "load segments"], 1],
    ["-u", {}, ["unload normal auto"], 0],
    ["-s -u", {}, ["unload normal file"], 0],
    ["-p -u", {}, ["unload crash auto"], 0],
    ["--load-jump-back-helper --entry=0x10", {}, ["sync", "jump back 16"], 0],
    ["--load-jump-back-helper -y", {}, ["jump back 0"], 0],
    ["-p K", {}, [], 1],
    ["-u -p K", {}, [], 1],
    ["-p", {}, [], 1],
    ["-p", { crashRegion: true }, [], 255],
    ["-u -p", { crashRegion: true }, ["unload crash auto"], 255],
    ["-c -p K", { crashRegion: true }, ["read kernel", "load segments"], 0],
    ["-s -p K --initrd=I", { crashRegion: true }, ["open kernel", "open initrd", "load file"], 0],
    [
      "-p K",
      { crashRegion: true, outcomes: [UNSUPPORTED, LOADED] },
      ["open kernel", "load file", "load segments"],
      0,
    ],
    ["-c -p --hotplug K", { crashRegion: true }, [], 1],
    ["-l --hotplug K", {}, [], 1],
    ["-u --hotplug", {}, [], 1],
    ["-c -u -l K", {}, ["unload normal segments", "read kernel", "load segments"], 0],
    ["--save-facts=F", {}, ["write F"], 0],
    ["-c -l --save-facts=F K", {}, ["write F", "read kernel", "load segments", "sync"], 0],
    ["-c -l --dry-run K", {}, ["read kernel"], 0],
    ["-l --dry-run K", {}, ["open kernel"], 0],
    ["-c -l --dry-run --facts=F K", {}, ["read F", "read kernel"], 0],
    ["-c -p --dry-run --facts=F K", {}, ["read F"], 1],
    ["-c -p --dry-run K", { crashRegion: true }, ["read kernel"], 0],
    ["-p --dry-run", { crashRegion: true }, [], 255],
  ])("kexec %s, %p", async (line, settings, actions, status) => {
    const result = await runWith(line, settings);
    expect(result.actions).toEqual(actions);
    expect(result.status).toBe(status);
  });

  test("after a refusal nothing more is done", async () => {
    const refused = new KexecError({
      code: "kernel.kexec_file_load",
      message: "kexec_file_load failed: Operation not permitted",
      hint: "The kernel is locked down.",
      exitStatus: 255,
    });
    const result = await runWith("-f K", { outcomes: [refused] });
    expect(result.actions).toEqual(["open kernel", "load file"]);
    expect(result.status).toBe(255);
    expect(result.stderr).toBe(
      "kexec_file_load failed: Operation not permitted\nThe kernel is locked down.\n",
    );
  });

  test("after a failed unload nothing is loaded", async () => {
    const unloadFails = new KexecError({
      code: "kernel.unload",
      message: "kexec unload failed: Device or resource busy",
      exitStatus: 255,
    });
    const result = await runWith("-c -u -l K", { unloadFails });
    expect(result.actions).toEqual(["unload normal segments"]);
    expect(result.status).toBe(255);
  });
});

describe("exit statuses and texts", () => {
  test("-s where the kernel has no such call", async () => {
    const result = await runWith("-s -l K", { outcomes: [UNSUPPORTED] });
    expect(result.status).toBe(253);
    expect(result.stderr).toBe("syscall kexec_file_load not available.\nInvalid argument\n");
  });

  test.each<[string, Settings, number]>([
    ["-S", { crashLoaded: true, loaded: false }, 1],
    ["-S", { crashLoaded: false, loaded: true }, 0],
    ["-S -l", { crashLoaded: false, loaded: true }, 1],
    ["-S -p", { crashLoaded: false, loaded: true }, 0],
    ["-S", {}, 255],
  ])("kexec %s, %p", async (line, settings, status) => {
    const result = await runWith(line, settings);
    expect([result.status, result.stdout, result.stderr]).toEqual([status, "", ""]);
  });

  test("--print-ckr-size prints the size in bytes, 0 where nothing is reserved", async () => {
    const result = await runWith("--print-ckr-size");
    expect([result.status, result.stdout, result.stderr]).toEqual([0, "0\n", ""]);
  });

  test("--print-ckr-size: of the region that is used", async () => {
    const result = await runWith("--print-ckr-size", { crashRegion: true });
    expect([result.status, result.stdout]).toEqual([0, "268435456\n"]);
  });

  test("-p where nothing is reserved", async () => {
    const result = await runWith("-p K");
    expect(result.stderr).toBe(
      "Memory for crashkernel is not reserved\n" +
        'Please reserve memory by passing"crashkernel=Y@X" parameter to kernel\n' +
        "Then try to loading kdump kernel\n" +
        "Boot this kernel with crashkernel=256M, for example, and load again.\n",
    );
  });

  test("--hotplug where the kernel has no such thing", async () => {
    const result = await runWith("-p --hotplug K", { crashRegion: true });
    expect(result.stderr.split("\n").slice(0, 2)).toEqual([
      "Cannot open /sys/kernel/crash_elfcorehdr_size: No such file or directory",
      "Path /sys/kernel/crash_elfcorehdr_size does not exist, the kernel needs CONFIG_CRASH_HOTPLUG",
    ]);
  });

  test("-v", async () => {
    const result = await runWith("-v");
    expect(result.stdout).toMatch(/^kexec-tools 2\.0\.32 \(onekexec \d+\.\d+\.\d+\)\n$/);
    expect([result.status, result.stderr]).toEqual([0, ""]);
  });

  test("no kernel: the complaint on stderr, the usage on stdout", async () => {
    const result = await runWith("-l");
    expect([result.status, result.stderr]).toEqual([255, "No kernel specified\n"]);
    expect(result.stdout).toContain("Usage: kexec [OPTION]... [kernel]\n");
    expect(result.stdout).toContain("bzImage64\n");
  });

  test("unloads before it misses the kernel", async () => {
    const result = await runWith("-u -l");
    expect([result.status, result.actions]).toEqual([255, ["unload normal auto"]]);
  });

  test("--dry-run=json prints each attempt", async () => {
    const result = await runWith("-l --dry-run=json K --append=caf\u00e9");
    expect(result.stdout).toContain('"caf\\u00e9"');
    const { attempts } = DryRunJson.parse(JSON.parse(result.stdout));
    expect(attempts.map(({ call }) => call)).toEqual(["kexec_file_load", "kexec_load"]);
    expect(result.plans).toEqual([]);
  });

  test("--dry-run=json says which files were extracted", async () => {
    const result = await runWith("-s -l --dry-run=json K", { compressed: true });
    const { attempts } = DryRunJson.parse(JSON.parse(result.stdout));
    expect(attempts).toMatchObject([{ kernel: { path: "K", takenOut: true }, initrd: null }]);
  });

  test("--doctor=json prints findings; where nothing can be loaded, status is 1", async () => {
    const result = await runWith("--doctor=json");
    const { canLoad, findings } = DoctorJson.parse(JSON.parse(result.stdout));
    expect([canLoad, result.status, result.actions]).toEqual([false, 1, []]);
    expect(findings[0]).toMatchObject({ subject: "host", verdict: "ok" });
  });

  test("-d prints the evidence and the plan on stderr", async () => {
    const result = await runWith("-d -c -l K");
    expect(result.stderr).toStartWith("no Xen here\n/sys/firmware/efi: No such file");
    expect(result.stderr).toContain("\nkexec_load: 3 segments, entry 0x");
    expect(result.stdout).toBe("");
  });
});
