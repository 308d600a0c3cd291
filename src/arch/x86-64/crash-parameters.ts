/** What is added to a crash kernel's command line. Pure. */

import { alignDown, alignUp, hex, KIB } from "../../core/address.ts";
import { ExitStatus, fail, KexecError } from "../../core/error.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { MemoryRange, MemoryType } from "../../model/memory.ts";
import type { LoadRequest } from "../../model/request.ts";

/** A `memmap=` for less RAM is not worth its length. [kexec-tools] */
const MEMMAP_MIN = 100n * KIB;

export interface CrashWords {
  readonly request: LoadRequest;
  readonly facts: HostFacts;
  /** Whether the kernel can take EFI over from the running one. */
  readonly takesEfi: boolean;
  /** What the crash kernel may use, and must know of. */
  readonly memory: readonly MemoryRange[];
  /** Physical address, a multiple of 1 KiB; null: there is none. */
  readonly elfcorehdr: bigint | null;
}

/** Where ACPI begins, for a kernel that does not find out by EFI. [kexec-tools] */
function rsdpWord({ request, facts, takesEfi }: CrashWords): string {
  const hasEfi = takesEfi && !request.noEfi && (facts.efi?.runtimeMap.length ?? 0) > 0;
  return hasEfi || facts.acpiRsdp === null ? "" : ` acpi_rsdp=${hex(facts.acpiRsdp)}`;
}

/** [linux Documentation/admin-guide/kernel-parameters.txt memmap=] */
const MEMMAP_SIGN: Partial<Record<MemoryType, string>> = {
  ram: "@",
  acpi: "#",
  "acpi-nvs": "#",
  pram: "!",
};

/** One ` memmap=640K@0K`; empty where it is not to be told. RAM shrinks to whole KiB, what must not
 * be lost grows. */
function memmapWord({ start, end, type }: MemoryRange): string {
  const sign = MEMMAP_SIGN[type];
  if (sign === undefined) return "";
  const isRam = type === "ram";
  const from = isRam ? alignUp(start, KIB) : alignDown(start, KIB);
  const to = isRam ? alignDown(end, KIB) : alignUp(end, KIB);
  if (isRam && to - from < MEMMAP_MIN) return "";
  return ` memmap=${(to - from) / KIB}K${sign}${from / KIB}K`;
}

/**
 * ` memmap=exactmap memmap=… nokaslr`. The memory map stays whole, for kernels that want to know
 * it. One that chooses its own place by chance looks at that map and not at `memmap=`, and would
 * overwrite what is to be dumped. kexec-tools lets it; differs.
 * [linux arch/x86/boot/compressed/kaslr.c parse_memmap]
 */
function memmapWords(memory: readonly MemoryRange[]): string {
  return [" memmap=exactmap", ...memory.map(memmapWord), " nokaslr"].join("");
}

/** ` acpi_rsdp=… elfcorehdr=…K memmap=…`, each where it is needed; begins with a blank. */
export function crashWords(words: CrashWords): string {
  const memmap = words.request.passMemmapCmdline ? memmapWords(words.memory) : "";
  const header = words.elfcorehdr === null ? "" : ` elfcorehdr=${words.elfcorehdr / KIB}K`;
  return `${rsdpWord(words)}${header}${memmap}`;
}

/**
 * Checks the command line with what is added to it, after the user's own passed the same check.
 * @param added by this program, or by the kernel, in bytes
 * @throws KexecError `plan.command-line` in kexec-tools' words
 */
export function checkExtended(added: number, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof KexecError) || error.code !== "image.command-line") throw error;
    fail({
      code: "plan.command-line",
      message: "Command line overflow",
      hint: `With the ${added} bytes that a crash kernel is told: ${error.message}.`,
      exitStatus: ExitStatus.general,
      cause: error,
    });
  }
}
