/**
 * The real `World`: this process, this machine. Each part is touched when it is first asked for.
 * `-v` and `-h` do without, so this file is loaded only for those who do something.
 */

import { KexecError } from "../core/error.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Backend } from "../model/backend.ts";
import { noteOf } from "../model/fact-note.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { WorldRequest } from "../model/request.ts";
import type { Console, InputRole, World } from "../model/world.ts";
import { getrandom, ioctl } from "./ffi/device-calls.ts";
import { strerror } from "./ffi/libc.ts";
import { expandLzma } from "./ffi/lzma.ts";
import { addressOf } from "./ffi/pointer.ts";
import { sync } from "./ffi/process-calls.ts";
import { memoryFile, openInput } from "./files/read-files.ts";
import { readTextFile, writeTextFile } from "./files/text-files.ts";
import { explainRefusal } from "./linux/explain-refusal.ts";
import type { LinuxHost } from "./linux/host.ts";
import { kexecCalls } from "./linux/kexec-calls.ts";
import { readFacts } from "./linux/read-facts.ts";
import { readKexecState } from "./linux/read-kexec-state.ts";
import { readRefusalEvidence } from "./linux/read-refusal-evidence.ts";
import { withProgress } from "./process/progress.ts";
import { restartIfLimited } from "./process/restart.ts";
import { execShutdown, takeInterfacesDown } from "./process/shutdown.ts";
import { selectBackend } from "./select.ts";
import type { XenHost } from "./xen/backend.ts";
import { openXen } from "./xen/open.ts";
import { readXenFacts } from "./xen/read-facts.ts";
import { readHypervisorEvidence } from "./xen/read-hypervisor-evidence.ts";

/** What `make` returns, made when first asked for. */
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
  };
}

function xenHost(request: WorldRequest, version: string | null): XenHost {
  return {
    open: () => openXen(request.xen, version),
    readFacts: (calls, linux) => readXenFacts(calls, linux),
    addressOf,
    strerror,
  };
}

function chooseBackend(request: WorldRequest): Backend {
  const evidence = readHypervisorEvidence();
  const linux = linuxHost(evidence.architecture);
  return selectBackend(evidence, linux, xenHost(request, evidence.version));
}

/**
 * What Linux shows, and where there is a backend what its host knows better. Facts can be saved on
 * a machine that has no kexec too.
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

const label = (role: InputRole): string => `Reading ${role}`;

export function makeRealWorld(console: Console, request: WorldRequest): World {
  restartIfLimited(console);
  let chosen: Backend | null = null;
  const backend = once(() => {
    chosen = chooseBackend(request);
    return chosen;
  });
  const facts = once(
    (): HostFacts => factsOf(readFacts({ ioctl, getrandom, crash: request.crashFacts }), backend),
  );
  return {
    ...console,
    readFacts: facts,
    openInput: (path, role, kernel) =>
      openInput(path, role, kernel, (read) => withProgress(label(role), read)),
    memoryFile,
    expandLzma,
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
