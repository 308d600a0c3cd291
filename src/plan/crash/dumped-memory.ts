/**
 * What a dump is made of: the RAM of the system that dies, and of it the part that the crash kernel
 * overwrites and that is saved before. Pure.
 */

import { ExitStatus, fail } from "../../core/error.ts";
import { byStart, isEmpty, normalize, type Range, subtract } from "../../core/range.ts";
import { CPU_DIRECTORY, VMCOREINFO as VMCOREINFO_FILE } from "../../facts/crash-notes.ts";
import { KCORE, KCORE_DAMAGED } from "../../facts/kernel-text.ts";
import { type FactNote, isOf, noteSentence } from "../../model/fact-note.ts";
import type { CrashFacts, HostFacts } from "../../model/host-facts.ts";
import type { MemoryRange } from "../../model/memory.ts";

/** What a dump cannot be without. */
interface Needed {
  /** The notes about it: of these files and directories, or of this subject. */
  readonly sources: readonly FactNote["source"][];
  /** What is said where no note says it: kexec-tools' line. */
  readonly line: string;
  readonly hint: string;
  /** kexec-tools dies of some at once, with 1. */
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

/** What reading said, as kexec-tools says it: of kcore, where it cannot be read, two things. */
function lineOf(note: FactNote): string {
  const sentence = noteSentence(note).replace(/\.$/, "");
  if (!note.source.startsWith("/")) return sentence;
  const line = `Cannot open ${sentence}`;
  return note.source === KCORE ? `${line}\nCannot read ${sentence}` : line;
}

/** Refuses with what reading said of it: kexec-tools' line alone first, its reason behind. */
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
 * What is known of the system that a dump would be of. A dump that no tool can read is worth
 * nothing, and nobody would notice before it is needed.
 * @param kernel the crash kernel's path, for kexec-tools' messages
 * @throws KexecError `facts.crash` where any of it is missing
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
  /** RAM without what is reserved, sorted, disjoint; `saved` is one of it. Ranges that only touch
   * stay apart, as the kernel lists them. */
  readonly ram: readonly Range[];
  /** The lowest RAM, which is backed up before the crash kernel gets it; null: there is none. */
  readonly saved: Range | null;
}

/** RAM of which no address comes twice: the kernel lists some of it inside other. */
function disjoint(memory: readonly MemoryRange[]): Range[] {
  const ram: Range[] = [];
  for (const { start, end, type } of memory) {
    if (type === "ram") ram.push(...subtract([{ start, end }], ram));
  }
  return ram.sort(byStart);
}

/** `range` in two where `end` lies inside it. */
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
 * What is saved is the first RAM of the low memory, as in kexec-tools; where that range goes on
 * above, kexec-tools saves a part that the dump then does not point to, and here the range is cut.
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
  const holes = normalize(reserved);
  const ram = disjoint(crash.memory)
    .flatMap((r) => subtract([r], holes))
    .flatMap((r) => splitAt(r, end))
    .filter((r) => !isEmpty(r));
  const [first] = ram;
  return { ram, saved: first !== undefined && first.start < end ? first : null };
}
