/**
 * Prints the facts of the machine that it runs on, as a facts file for test/facts/machines:
 *
 *     bun scripts/record-facts.ts > test/facts/machines/NAME.json
 *
 * The command line loses its secrets. Disk signatures and firmware addresses stay, since plans are
 * made of them: read the file before you publish it.
 */

import { readFacts } from "../src/edge/linux/read-facts.ts";
import { factsToJson } from "../src/facts/facts-file.ts";
import type { HostFacts } from "../src/model/host-facts.ts";

/** Parameters whose values decide plans, or are the same everywhere. */
const PUBLIC = new Set(
  (
    "BOOT_IMAGE acpi_rsdp add_efi_memmap console crashkernel debug earlyprintk edd efi " +
    "elfcorehdr hugepages initrd iommu lockdown maxcpus mem memmap mitigations nr_cpus panic " +
    "quiet reboot retain_initrd ro rootwait rw single splash vga video"
  ).split(" "),
);

/** The command line with the values of unknown parameters, and all that is for init, as `x`. */
export function withoutSecrets(commandLine: string): string {
  const words = commandLine.split(" ");
  const init = words.indexOf("--");
  const kernel = (init < 0 ? words : words.slice(0, init)).map((word) => {
    const [name = "", ...value] = word.split("=");
    return value.length === 0 || PUBLIC.has(name) ? word : `${name}=x`;
  });
  return [...kernel, ...(init < 0 ? [] : ["--", "x"])].join(" ");
}

export function anonymous(facts: HostFacts): HostFacts {
  const line = facts.bootCommandLine;
  return { ...facts, bootCommandLine: line === null ? null : withoutSecrets(line), rngSeed: null };
}

if (import.meta.main) process.stdout.write(factsToJson(anonymous(readFacts({ crash: true }))));
