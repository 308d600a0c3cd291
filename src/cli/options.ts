/**
 * THE option table: one row for each option. The parser, the usage text, kexec(8), the completions
 * and citty's definition are derived from it.
 *
 * The names, letters, arguments and their order are kexec-tools' contract: the order decides the
 * order of candidates in the message about an ambiguous abbreviation. What an option does is in
 * option-handlers.ts; for an architecture's options it is in their rows (arch/options.ts).
 */

import { ARCH_OPTIONS } from "../arch/options.ts";
import { rowsOf } from "../model/option.ts";

const general = rowsOf("general");
const loader = rowsOf("loader");
const own = rowsOf("own");

const GENERAL_OPTIONS = [
  general.flag("help", "Print this text", { short: "h" }),
  general.flag("version", "Print the version", { short: "v" }),
  general.flag("force", "Load and start the kernel at once, without shutting down", { short: "f" }),
  general.flag("no-checks", "Do not check the loaded kernel's digests before it starts", {
    short: "i",
  }),
  general.flag("no-ifdown", "Leave the network interfaces up", { short: "x" }),
  general.flag("no-sync", "Do not write cached data to the disks first", { short: "y" }),
  general.flag("load", "Load the kernel, and do no more", { short: "l" }),
  general.flag("unload", "Unload the loaded kernel; -p -u: unload the crash kernel", {
    short: "u",
  }),
  general.flag("exec", "Start the loaded kernel", { short: "e" }),
  general.flag("exec-live-update", "Xen live update: start the successor hypervisor"),
  general.flag("load-preserve-context", "Load a kernel that may return to this one"),
  general.flag("load-jump-back-helper", "Prepare the return to the first kernel"),
  general.flag("load-live-update", "Xen live update: load the successor hypervisor"),
  general.valued("entry", "ADDRESS", "Entry point of the loaded image; 0: the image's own"),
  general.valued("type", "TYPE", "The kernel's file type, one of those below", { short: "t" }),
  general.flag("load-panic", "Load a crash kernel; with -u or -S: act on the crash kernel", {
    short: "p",
  }),
  general.valued("mem-min", "ADDRESS", "Lowest address to load to"),
  general.valued("mem-max", "ADDRESS", "Highest address to load to"),
  general.flag("reuseinitrd", "Use the initrd that this kernel was started with; not on x86"),
  general.flag("kexec-file-syscall", "Let the running kernel read the files: kexec_file_load", {
    short: "s",
  }),
  general.flag("kexec-syscall", "Lay out the segments in this program: kexec_load", { short: "c" }),
  general.flag("kexec-syscall-auto", "As -s; as -c where -s is not supported (default)", {
    short: "a",
  }),
  general.flag("debug", "Print what is done and why", { short: "d" }),
  general.flag("status", "Exit with 1 if a crash kernel (with -l: a kernel) is loaded, else 0", {
    short: "S",
  }),
  general.flag("print-ckr-size", "Print the size of the crash region in bytes"),
  general.flag("hotplug", "Let the kernel update elfcorehdr on CPU and memory hotplug"),
  general.flag("no-cma", "Do not load into contiguous (CMA) memory; with -s"),
  general.flag("force-dtb", "Pass the running kernel's device tree on (x86); with -s"),
] as const;

const LOADER_OPTIONS = [
  loader.valued("command-line", "STRING", "The kernel's command line"),
  loader.valued("append", "STRING", "The same as --command-line", { synonymOf: "command-line" }),
  loader.flag("reuse-cmdline", "Begin with the running kernel's command line"),
  loader.valued("initrd", "FILE", "The kernel's initial ramdisk"),
  loader.valued("ramdisk", "FILE", "The same as --initrd", { synonymOf: "initrd" }),
  loader.flag("args-elf", "Pass arguments as ELF boot notes"),
  loader.flag("args-linux", "Pass arguments as to a Linux kernel"),
  loader.flag("args-none", "Pass no arguments"),
  loader.valued("module", '"FILE ARGS"', "A module for the kernel; may be given again", {
    repeatable: true,
  }),
  loader.flag("real-mode", "Enter the kernel in real mode, so that it can call the BIOS"),
  loader.flag("entry-32bit", "Enter the kernel at its 32-bit entry"),
  loader.valued("dtb", "FILE", "The kernel's device tree"),
] as const;

/** The options of kexec-tools, in its order. [kexec-tools] */
export const KEXEC_TOOLS_OPTIONS = [
  ...GENERAL_OPTIONS,
  ...ARCH_OPTIONS,
  ...LOADER_OPTIONS,
] as const;

/** Our own options have long names only, so that all letters stay free for kexec-tools. */
export const OWN_OPTIONS = [
  own.perhapsValued("dry-run", "text|json", "Print what would be loaded where; change nothing"),
  own.perhapsValued("doctor", "text|json", "Say what works on this machine and what does not"),
  own.valued("facts", "FILE", "With --dry-run: plan for the machine that FILE describes"),
  own.valued("save-facts", "FILE", "Write a description of this machine to FILE"),
  own.flag("no-unpack", "With -c: let the kernel unpack itself and its initrd, after the reboot"),
  own.valued("xen-library", "PATH", "Xen: use only the libxenctrl at this absolute path"),
  own.flag("xen-direct", "Xen: make the hypercalls without any library"),
] as const;

/** Every option, kexec-tools' first. */
export const OPTIONS = [...KEXEC_TOOLS_OPTIONS, ...OWN_OPTIONS] as const;

/** A row of the table. */
export type KnownOption = (typeof OPTIONS)[number];
export type OptionName = KnownOption["name"];
