/**
 * The RAM that a dump contains, and the part of it that the purgatory saves because the crash
 * kernel overwrites it. Pure.
 */

import { ExitStatus, fail } from "../../core/error.ts";
import { isEmpty, outsideOf, type Range, sortedByStart } from "../../core/range.ts";
import { CPU_DIRECTORY, VMCOREINFO as VMCOREINFO_FILE } from "../../facts/crash-notes.ts";
import { KCORE, KCORE_DAMAGED } from "../../facts/kernel-text.ts";
import { type FactNote, isOf, noteSentence } from "../../model/fact-note.ts";
import type { CrashFacts, HostFacts } from "../../model/host-facts.ts";
import type { MemoryRange } from "../../model/memory.ts";

/** A fact that a dump needs, and the error where it is missing. */
interface Needed {
  /** The sources of the notes about it: files, directories, or a subject. */
  readonly sources: readonly FactNote["source"][];
  /** kexec-tools' line, the message where no note is about it. */
  readonly line: string;
  readonly hint: string;
  /** 1 where kexec-tools exits at once (`die`), else 255. */
  readonly exitStatus: number;
}

const MEMORY: Needed = {
  sources: [],
  line: "Could not get memory layout",
  hint: "The core header must list all RAM: see /proc/iomem.",
  exitStatus: ExitStatus.failed,
};
const CPU_NOTES: Needed = {
  sources: [CPU_DIRECTORY, "CPU notes"],
  line: "Cannot parse /sys/devices/system/cpu/cpu0/crash_notes",
  hint: "These files locate the CPUs' registers for a dump. Is sysfs mounted on /sys?",
  exitStatus: ExitStatus.general,
};
const VMCOREINFO: Needed = {
  sources: [VMCOREINFO_FILE, "vmcoreinfo"],
  line: "Cannot parse /sys/kernel/vmcoreinfo",
  hint: "Without vmcoreinfo no tool can read a dump. Is sysfs mounted on /sys?",
  exitStatus: ExitStatus.general,
};
const KERNEL_TEXT: Needed = {
  sources: [KCORE, "kernel text"],
  line: "Can't find kernel text map area from kcore",
  hint: "The core header must locate this kernel's text: see /proc/iomem and /proc/kcore.",
  exitStatus: ExitStatus.failed,
};

/** A note in kexec-tools' words, which are two lines where /proc/kcore cannot be read. */
function lineOf(note: FactNote): string {
  const sentence = noteSentence(note).replace(/\.$/, "");
  if (!note.source.startsWith("/")) return sentence;
  const line = `Cannot open ${sentence}`;
  return note.source === KCORE ? `${line}\nCannot read ${sentence}` : line;
}

/** Refuses for lack of `needed`: kexec-tools' line is the message, the reasons are in the hint.
 * @param after further lines of the message */
function refuse(facts: HostFacts, needed: Needed, after = ""): never {
  const about = facts.notes.filter((note) => isOf(note, ...needed.sources)).map(lineOf);
  const [said = needed.line, ...rest] = about;
  const isDamaged = said.startsWith(`${KCORE_DAMAGED}: `);
  const message = isDamaged ? KCORE_DAMAGED : said;
  const why = isDamaged ? [said.slice(`${KCORE_DAMAGED}: `.length)] : [];
  const reasons = [...why, ...rest].slice(0, 2);
  return fail({
    code: "facts.crash",
    message: `${message}${after}`,
    hint: [...reasons, needed.hint].join("\n"),
    exitStatus: needed.exitStatus,
  });
}

/**
 * The crash facts of the running system, which are complete. Without one of them no tool could read
 * the dump, and nobody would notice before the crash.
 * @param kernel the crash kernel's path, for kexec-tools' messages
 * @throws KexecError `facts.crash` where one is missing
 */
export function crashFacts(facts: HostFacts, kernel: string): CrashFacts {
  const { crash } = facts;
  if (crash === null) {
    return fail({
      code: "facts.crash",
      message: "The facts lack the crash facts of the running kernel, which a crash kernel needs",
      hint: "Save them again with --save-facts: an earlier version did not write the crash facts.",
      exitStatus: ExitStatus.failed,
    });
  }
  if (!crash.memory.some(({ type }) => type === "ram")) refuse(facts, MEMORY);
  if (crash.cpuNotes.length === 0) refuse(facts, CPU_NOTES);
  const { needs } = facts.crashRules;
  if (needs.includes("vmcoreinfo") && crash.vmcoreinfo === null) refuse(facts, VMCOREINFO);
  if (needs.includes("kernel-text") && crash.kernelText === null) {
    refuse(facts, KERNEL_TEXT, `\nCannot load ${kernel}`);
  }
  return crash;
}

export interface DumpedMemory {
  /** RAM without the crash regions, sorted, disjoint; `saved` is one range of it. Adjacent ranges
   * are not merged: the kernel lists them separately. */
  readonly ram: readonly Range[];
  /** The lowest RAM, which the purgatory saves before the crash kernel uses it; null: none. */
  readonly saved: Range | null;
}

/** The RAM of `memory` as disjoint ranges: the kernel lists some RAM inside other RAM. */
function disjoint(memory: readonly MemoryRange[]): Range[] {
  const ram: Range[] = [];
  // All ranges so far begin at or below this one, so that together they have all below `known`.
  let known = 0n;
  for (const { start, end } of sortedByStart(memory.filter(({ type }) => type === "ram"))) {
    const from = start > known ? start : known;
    if (end <= from) continue;
    ram.push({ start: from, end });
    known = end;
  }
  return ram;
}

/** Splits a range at `end`, where `end` lies inside it. */
function splitAt({ start, end: last }: Range, end: bigint): Range[] {
  if (start >= end || last <= end) return [{ start, end: last }];
  return [
    { start, end },
    { start: end, end: last },
  ];
}

/**
 * The RAM to dump.
 *
 * The saved range is the first RAM below `lowEnd`, as in kexec-tools. Where a range crosses
 * `lowEnd`, it is split there; kexec-tools does not split it, and its dump misses the saved part.
 *
 * @param reserved the crash regions, which are not dumped
 * @param lowEnd one past the end of the low memory that a crash kernel uses; null: it uses none
 */
export function dumpedMemory(
  crash: CrashFacts,
  reserved: readonly Range[],
  lowEnd: bigint | null,
): DumpedMemory {
  const end = lowEnd ?? 0n;
  const ram = disjoint(crash.memory)
    .flatMap(outsideOf(reserved))
    .flatMap((r) => splitAt(r, end))
    .filter((r) => !isEmpty(r));
  const [first] = ram;
  return { ram, saved: first !== undefined && first.start < end ? first : null };
}
