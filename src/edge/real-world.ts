/**
 * The real `World`: this process, this machine. Each part is touched when it is first asked for.
 * `-v` and `-h` do without, so this file is loaded only for those who do something.
 */

import type { Backend } from "../model/backend.ts";
import type { Architecture, HostFacts } from "../model/host-facts.ts";
import type { Console, InputRole, World } from "../model/world.ts";
import type { LinuxHost } from "./backend/linux-host.ts";
import { selectBackend } from "./backend/select.ts";
import { getrandom, ioctl } from "./ffi/device-calls.ts";
import { kexecCalls } from "./ffi/kexec-calls.ts";
import { sync } from "./ffi/process-calls.ts";
import { explainRefusal } from "./host/explain-refusal.ts";
import { readFacts } from "./host/read-facts.ts";
import { openForKernel, readOpenedFile, readWholeFile } from "./host/read-files.ts";
import { readHypervisorEvidence } from "./host/read-hypervisor.ts";
import { readKexecState } from "./host/read-kexec-state.ts";
import { withProgress } from "./host/read-progress.ts";
import { readRefusalEvidence } from "./host/refusal-evidence.ts";
import { execShutdown, takeInterfacesDown } from "./host/shutdown.ts";
import { readTextFile, writeTextFile } from "./host/text-files.ts";

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

function chooseBackend(): Backend {
  const evidence = readHypervisorEvidence();
  return selectBackend(evidence, linuxHost(evidence.architecture));
}

const label = (role: InputRole): string => `Reading ${role}`;

export function makeRealWorld(console: Console): World {
  const facts = once((): HostFacts => readFacts({ ioctl, getrandom }));
  return {
    ...console,
    readFacts: facts,
    readInput: (path, role, hash) =>
      withProgress(label(role), (observe) => readWholeFile(path, { hash, observe })),
    openInput: (path, role, kernel) =>
      withProgress(label(role), (observe) =>
        openForKernel(path, role, kernel ?? null, { hash: false, observe }),
      ),
    readOpened: (file) =>
      withProgress(label("kernel"), (observe) => readOpenedFile(file, { hash: false, observe })),
    readText: readTextFile,
    writeText: writeTextFile,
    backend: once(chooseBackend),
    sync,
    ifdown() {
      for (const line of takeInterfacesDown()) console.stderr(`${line}\n`);
    },
    shutdown: () => execShutdown(),
  };
}
