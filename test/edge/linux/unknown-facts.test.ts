/** Each fact whose file is missing, cannot be read, or is empty: "it cannot be read" is never told
 * as "there is none". */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readFacts } from "../../../src/edge/linux/read-facts.ts";
import { noteSentence } from "../../../src/model/fact-note.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { diagnose, diagnosisText, type ExaminedHost } from "../../../src/plan/diagnosis.ts";
import {
  BOOT_PARAMS,
  type Files,
  fakeRoot,
  LINUX,
  MEMMAP,
  quiet,
  removeFakeRoots,
} from "./fake-machine.ts";

afterAll(removeFakeRoots);

const HOST: ExaminedHost = {
  name: "Linux",
  evidence: [],
  probes: [{ kind: "file", call: "kexec_file_load", works: true, why: null, hint: null }],
  loaded: null,
  crashLoaded: null,
};
const MACHINE: Files = {
  ...LINUX,
  ...MEMMAP,
  ...BOOT_PARAMS,
  "sys/firmware/efi/fw_vendor": "0x1\n",
};

type State = "missing" | "unreadable" | "empty";

/** The machine with `path` in this state. A directory in its place cannot be read. */
function machineWith(path: string, state: State): HostFacts {
  const root = fakeRoot(MACHINE, state === "empty" ? { [path]: "" } : {});
  if (state !== "empty") rmSync(join(root, path), { recursive: true });
  if (state === "unreadable") mkdirSync(join(root, path));
  return readFacts({ ...quiet, root });
}

interface Fact {
  readonly path: string;
  readonly of: (facts: HostFacts) => unknown;
  /** The finding of `--doctor` that tells of it. */
  readonly subject?: string;
  /** What that says where the file is missing, and this is an answer. */
  readonly whenMissing?: RegExp;
}

const FACTS: readonly Fact[] = [
  {
    path: "sys/kernel/security/lockdown",
    of: ({ lockdown }) => lockdown,
    subject: "lockdown",
    whenMissing: /not known: .*securityfs is not mounted/,
  },
  {
    path: "proc/self/status",
    of: ({ capabilities }) => capabilities,
    subject: "privilege",
    whenMissing: /not known/,
  },
  {
    path: "sys/kernel/boot_params/data",
    of: ({ x86_64 }) => x86_64?.bootParams ?? null,
    subject: "Secure Boot",
    whenMissing: /not known/,
  },
  {
    path: "proc/iomem",
    of: ({ crashRegions }) => (crashRegions.length === 0 ? null : crashRegions),
    subject: "crash memory",
    whenMissing: /not known/,
  },
  { path: "sys/kernel/kexec_loaded", of: ({ kexec }) => kexec.loaded },
  { path: "sys/kernel/kexec_crash_loaded", of: ({ kexec }) => kexec.crashLoaded },
  { path: "sys/kernel/kexec_crash_size", of: ({ kexec }) => kexec.crashSize },
  { path: "sys/kernel/crash_elfcorehdr_size", of: ({ kexec }) => kexec.crashElfcorehdrSize },
  { path: "proc/sys/kernel/kexec_load_disabled", of: ({ kexec }) => kexec.loadDisabled },
  { path: "proc/meminfo", of: ({ memTotal }) => memTotal },
  { path: "sys/firmware/efi/fw_vendor", of: ({ efi }) => efi?.fwVendor ?? null },
];

const findingOf = (facts: HostFacts, subject: string): string =>
  diagnose(facts, HOST).findings.find((finding) => finding.subject === subject)?.text ?? "";

describe.each(FACTS)("$path", ({ path, of, subject, whenMissing }) => {
  const named = (facts: HostFacts): string[] =>
    facts.notes.map(noteSentence).filter((sentence) => sentence.startsWith(`/${path}`));

  test("known", () => {
    expect(of(readFacts({ ...quiet, root: fakeRoot(MACHINE) }))).not.toBeNull();
  });

  test.each(["missing", "unreadable", "empty"] as const)("%s: not known, and why", (state) => {
    const facts = machineWith(path, state);
    expect(of(facts)).toBeNull();
    expect(named(facts).length).toBeGreaterThan(0);
    if (state === "unreadable") expect(named(facts).join()).toContain("EISDIR");
  });

  if (subject === undefined || whenMissing === undefined) return;
  test("--doctor says that it is not known", () => {
    expect(findingOf(machineWith(path, "missing"), subject)).toMatch(whenMissing);
    expect(findingOf(machineWith(path, "unreadable"), subject)).toMatch(/not known: .*EISDIR/);
    expect(findingOf(machineWith(path, "empty"), subject)).toMatch(/not known/);
  });
});

test("EFI that cannot be read is not reported as missing", () => {
  expect(findingOf(machineWith("sys/firmware/efi", "missing"), "EFI")).toContain("no EFI");
  const root = fakeRoot(LINUX, MEMMAP, { "sys/firmware/efi": "" });
  expect(findingOf(readFacts({ ...quiet, root }), "EFI")).toContain("not known: ");
});

describe("whoever has the screen", () => {
  test.each(["sys/class/drm", "sys/bus/pci/devices"])("%s cannot be read", (path) => {
    const root = fakeRoot(MACHINE, { [path]: "" });
    const facts = readFacts({ ...quiet, root });
    expect(facts.x86_64?.display).toBeNull();
    expect(facts.notes.map(noteSentence).join("\n")).toContain(`/${path}: `);
    expect(diagnosisText(diagnose(facts, HOST)).join("\n")).not.toContain("no driver has taken it");
  });
});
