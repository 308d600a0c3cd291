/** kexec(8), made from the option table and the image types. */

import { OPTIONS } from "../../src/cli/options.ts";
import { type ListedImageType, spelling } from "../../src/cli/usage.ts";
import type { Option, OptionScope } from "../../src/model/option.ts";

export interface ManPage {
  readonly version: string;
  /** `2026-01-31` */
  readonly date: string;
}

/** Text as roff prints it unchanged: no escape, no command, and `-` as it is typed. */
export function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return escaped.replaceAll(/^(?=['.])/gm, "\\&");
}

const bold = (text: string): string => `\\fB${roff(text)}\\fP`;

/** `-l, --load`; an argument is not bold. */
function label(option: Option): string {
  const words = spelling(option);
  const [name = "", ...rest] = words.split(/(?==|\[)/);
  const letter = option.short === null ? "" : `${bold(`-${option.short}`)}, `;
  return `${letter}${bold(name)}${roff(rest.join(""))}`;
}

const entry = (option: Option): string[] => [".TP", label(option), `${roff(option.help)}.`];

const ofScope = (scope: OptionScope): string[] =>
  OPTIONS.filter((option) => option.scope === scope).flatMap(entry);

function typeEntry({ name, options }: ListedImageType): string[] {
  const names = options.map((option) => bold(`--${option}`)).join(", ");
  return [".TP", bold(name), options.length === 0 ? "Takes no option." : `Takes ${names}.`];
}

const STATUSES: readonly (readonly [string, string])[] = [
  ["0", "All went well; with -S: no image is loaded."],
  ["1", "The command line is wrong or a file cannot be read; with -S: an image is loaded."],
  ["253", "The kernel has no file based system call, or does not take this image by it (-s)."],
  ["254", "No memory is reserved for a crash kernel that could be used (-p)."],
  ["255", "The kernel or Xen refused, or the image cannot be loaded."],
];

const FILES: readonly (readonly [string, string])[] = [
  ["/sys/kernel/kexec_loaded, /sys/kernel/kexec_crash_loaded", "1 where an image is loaded."],
  ["/proc/iomem, /sys/firmware/memmap", "The machine's memory."],
  ["/dev/xen/privcmd", "The way to Xen, where libxenctrl is not installed."],
  ["/etc/default/kexec", "What the init scripts do at a reboot."],
];

const EXAMPLES: readonly (readonly [string, string])[] = [
  ["kexec -l /vmlinuz --initrd=/initrd.img --reuse-cmdline", "Load a kernel."],
  ["kexec -e", "Start it at once. Stop services first, or let the system do it: systemctl kexec."],
  ["kexec -p /vmlinuz --initrd=/initrd.img --reuse-cmdline", "Load a crash kernel."],
  ["kexec --dry-run -l /vmlinuz --initrd=/initrd.img", "See what would be loaded where."],
  ["kexec --doctor", "See what works on this machine."],
];

const listed = (rows: readonly (readonly [string, string])[]): string[] =>
  rows.flatMap(([head, text]) => [".TP", bold(head), roff(text)]);

const DESCRIPTION = [
  "boots a new kernel from the running one, without firmware and boot loader, and loads the crash",
  "kernel that saves a dump when the running one dies.",
  "Without an option that says what to do, the kernel is loaded and the machine shut down into it.",
];

const PLAN = [
  "On Linux the running kernel loads the image; in a PV dom0 of Xen the hypervisor does.",
  "Which one it is, is found out at the start; a library of Xen is opened if there is one, and not",
  "needed.",
];

const REQUIREMENTS = [
  "The CPU must have SSE4.1, SSE4.2 and POPCNT, as Intel's have since Nehalem and AMD's since",
  "Bulldozer and Jaguar. On others the program dies of an illegal instruction, with --doctor too,",
  "which cannot say so: look for sse4_1, sse4_2 and popcnt in /proc/cpuinfo.",
  "A virtual machine needs a CPU model that has them; kvm64 and qemu64 do not.",
];

const LIMITS = [
  "/proc must be mounted. About 400 MiB of address space, 300 MiB of data and 160 KiB of stack",
  "must be allowed (ulimit -v, -d and -s), and memory must be allowed to be made executable.",
];

/** The whole page. `imageTypes` are listed in the order in which a file is tried. */
export function manPage(
  imageTypes: readonly ListedImageType[],
  { version, date }: ManPage,
): string {
  const lines = [
    `.TH KEXEC 8 "${date}" "onekexec ${version}" "System Administration"`,
    ".SH NAME",
    "kexec \\- start another kernel from the running one",
    ".SH SYNOPSIS",
    ".B kexec",
    ".RI [ OPTION ]...",
    ".RI [ kernel ]",
    ".SH DESCRIPTION",
    ".B kexec",
    ...DESCRIPTION.map(roff),
    ".PP",
    ...PLAN.map(roff),
    ".PP",
    "Long options may be shortened as long as they are unique.",
    ".SH OPTIONS",
    ...ofScope("general"),
    ".SS Options of this architecture",
    ...ofScope("arch"),
    ".SS Options for the kernel",
    "Each type of kernel takes some of these.",
    ...ofScope("loader"),
    ".SS Options that only onekexec has",
    ...ofScope("own"),
    ".SH KERNEL TYPES",
    "The first type that a file is of is taken, unless",
    `${bold("--type")} names one.`,
    ...imageTypes.flatMap(typeEntry),
    ".SH EXIT STATUS",
    ...listed(STATUSES),
    ".SH FILES",
    ...listed(FILES),
    ".SH REQUIREMENTS",
    ...REQUIREMENTS.map(roff),
    ".PP",
    ...LIMITS.map(roff),
    ".SH EXAMPLES",
    ...listed(EXAMPLES),
    ".SH SEE ALSO",
    ".BR coldreboot (8),",
    ".BR kexec\\-load\\-kernel (8),",
    ".BR vmcore\\-dmesg (8),",
    ".BR kexec_load (2)",
  ];
  return `${lines.join("\n")}\n`;
}
