/**
 * The real `World`: this process and this machine. Facts and backend are made at their first use.
 * `-v` and `-h` need no `World`, so they do not load this file; `-S`, `-u` and `-e` need no facts,
 * and only under Xen anything needs Xen's part: these are imported where they are needed.
 */

import { Reader } from "../core/bytes.ts";
import { KexecError } from "../core/error.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Backend } from "../model/backend.ts";
import { noteOf } from "../model/fact-note.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { WorldRequest } from "../model/request.ts";
import type { Console, InputRole, World } from "../model/world.ts";
import { strerror } from "./ffi/libc.ts";
import { expandLzma } from "./ffi/lzma.ts";
import { addressOf } from "./ffi/pointer.ts";
import { sync } from "./ffi/process-calls.ts";
import { availableMemory } from "./files/available-memory.ts";
import { memoryFile, openInput } from "./files/read-files.ts";
import { readTextFile, writeTextFile } from "./files/text-files.ts";
import { explainRefusal } from "./linux/explain-refusal.ts";
import type { LinuxHost } from "./linux/host.ts";
import { kexecCalls } from "./linux/kexec-calls.ts";
import { readKexecState } from "./linux/read-kexec-state.ts";
import { readRefusalEvidence } from "./linux/read-refusal-evidence.ts";
import { withProgress } from "./process/progress.ts";
import { restartIfLimited } from "./process/restart.ts";
import { execShutdown, takeInterfacesDown } from "./process/shutdown.ts";
import { selectBackend } from "./select.ts";
import type { XenHost } from "./xen/backend.ts";
import { readHypervisorEvidence } from "./xen/read-hypervisor-evidence.ts";

/** A function that calls `make` at its first call, and returns that value at every call. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function linuxHost(architecture: Architecture | null): LinuxHost {
  return {
    architecture,
    calls: kexecCalls,
    explain: (errno, call, purpose) =>
      explainRefusal(errno, call, purpose, () => readRefusalEvidence(purpose)),
    readKexecState: () => readKexecState(),
    availableMemory,
  };
}

async function xenHost(request: WorldRequest, version: string | null): Promise<XenHost> {
  const { openXen } = await import("./xen/open.ts");
  const { readXenFacts } = await import("./xen/read-facts.ts");
  return {
    open: () => openXen(request.xen, version),
    readFacts: (calls, linux) => readXenFacts(calls, linux),
    addressOf,
    strerror,
  };
}

/** A function that makes the backend. Whether this is Xen is read now, and its part imported. */
function chooseBackend(request: WorldRequest): Promise<() => Backend> {
  const evidence = readHypervisorEvidence();
  const linux = linuxHost(evidence.architecture);
  return selectBackend(evidence, linux, () => xenHost(request, evidence.version));
}

async function readLinuxFacts({ crashFacts: crash }: WorldRequest): Promise<HostFacts> {
  const { readFacts } = await import("./linux/read-facts.ts");
  const { getrandom, ioctl } = await import("./ffi/device-calls.ts");
  return readFacts({ ioctl, getrandom, crash });
}

/**
 * The facts that Linux shows, corrected by the backend (Xen replaces the memory map). On a machine
 * without kexec they are Linux's facts and a note, so that facts can be saved there too.
 */
function factsOf(linux: HostFacts, backend: () => Backend): HostFacts {
  let chosen: Backend;
  try {
    chosen = backend();
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return { ...linux, notes: [...linux.notes, noteOf(error.message, "machine")] };
  }
  return chosen.hostFacts(linux);
}

const RANDOM_LENGTH = 8;

/** @throws KexecError `host.library` where libc cannot be used */
async function randomNumber(): Promise<bigint | null> {
  const { getrandom } = await import("./ffi/device-calls.ts");
  const bytes = getrandom(RANDOM_LENGTH);
  return bytes === null ? null : new Reader(bytes, "random number").u64(0);
}

const label = (role: InputRole): string => `Reading ${role}`;

/**
 * The `World` of this machine, for `request`. Opens nothing: errors come from the methods.
 */
export async function makeRealWorld(console: Console, request: WorldRequest): Promise<World> {
  restartIfLimited(console);
  const makeBackend = await chooseBackend(request);
  let chosen: Backend | null = null;
  const backend = once(() => {
    chosen = makeBackend();
    return chosen;
  });
  const facts = once(async () => factsOf(await readLinuxFacts(request), backend));
  return {
    ...console,
    readFacts: facts,
    openInput: (path, role, kernel) =>
      openInput(path, role, kernel, {
        progress: (read) => withProgress(label(role), read),
        mapped: chosen?.mapsFiles ?? true,
      }),
    memoryFile,
    expandLzma,
    availableMemory,
    random: randomNumber,
    readText: readTextFile,
    writeText: writeTextFile,
    backend,
    sync,
    ifdown() {
      for (const line of takeInterfacesDown()) console.stderr(`${line}\n`);
    },
    shutdown: () => execShutdown(),
    close: () => chosen?.close(),
  };
}
