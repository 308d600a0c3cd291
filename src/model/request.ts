/**
 * `Request`: what the user asked for, typed and complete. `cli/to-request.ts` makes it from the
 * command line, and nothing else does.
 *
 * Texts are byte strings; addresses are `bigint`, below 2^64.
 */

import type { ImagePurpose } from "./purpose.ts";

/** How a loaded image reaches the kernel: `-s`, `-c`, `-a`. */
export type LoadMethod = "file" | "segments" | "auto";

/** What the image's own loader takes. */
export interface LoaderRequest {
  /** `--command-line`, `--append`; null: not given. */
  readonly commandLine: string | null;
  readonly reuseCommandLine: boolean;
  readonly initrd: string | null;
  /** `--args-elf`, `--args-linux`, `--args-none`; null: the image type's own default. */
  readonly argumentStyle: "elf" | "linux" | "none" | null;
  /** `--module`, in order: a path, then perhaps a blank and the module's arguments. */
  readonly modules: readonly string[];
  readonly realMode: boolean;
  /** `--entry-32bit` */
  readonly entry32Bit: boolean;
  /** A device tree blob's path. */
  readonly dtb: string | null;
  /** The long names of the loader options that were given, each once, as they were written. */
  readonly given: readonly string[];
}

/** What the purgatory does to the console of the machine. */
export interface ConsoleRequest {
  readonly resetVga: boolean;
  readonly vga: boolean;
  readonly serial: boolean;
  /** I/O port, below 0x10000. */
  readonly serialBase: number;
  /** 0: leave the port's speed alone. */
  readonly serialBaud: number;
}

/** What is to be loaded, and how: all that a plan needs to know of the command line. */
export interface LoadRequest {
  readonly purpose: ImagePurpose;
  readonly method: LoadMethod;
  /** The first operand. */
  readonly kernel: string | null;
  /** `-t`; null: find out. */
  readonly type: string | null;
  readonly loader: LoaderRequest;
  readonly console: ConsoleRequest;
  /** Lowest and highest usable address, both inclusive. */
  readonly memMin: bigint;
  readonly memMax: bigint;
  /** `-i` */
  readonly skipChecks: boolean;
  readonly debug: boolean;
  readonly noEfi: boolean;
  readonly reuseVideoType: boolean;
  readonly noCma: boolean;
  readonly forceDtb: boolean;
  /** `--entry`: where the running kernel jumps to; 0: where the plan says. */
  readonly entry: bigint;
  /** `--hotplug` */
  readonly hotplug: boolean;
  /** `--pass-memmap-cmdline` */
  readonly passMemmapCmdline: boolean;
  /** `--facts=FILE`: plan for the machine that it describes; null: for this one. */
  readonly facts: string | null;
}

/** What happens, in this order: status, unload, load, shutdown, sync, ifdown, exec,
 * jumpBack. */
export interface Steps {
  readonly status: boolean;
  readonly unload: boolean;
  readonly load: boolean;
  /** Run `shutdown -r now`, which ends in `kexec -e`. */
  readonly shutdown: boolean;
  readonly sync: boolean;
  readonly ifdown: boolean;
  readonly exec: boolean;
  /** Load what jumps back to the kernel that was preserved. */
  readonly jumpBack: boolean;
}

/** How Xen is reached, where the machine has one. */
export interface XenRequest {
  /** `--xen-library`, an absolute path; null: look for libxenctrl. */
  readonly library: string | null;
  /** `--xen-direct` */
  readonly direct: boolean;
}

export interface RunRequest extends LoadRequest {
  readonly action: "run";
  readonly steps: Steps;
  /** `--reuseinitrd` */
  readonly reuseInitrd: boolean;
  readonly xen: XenRequest;
  /** `--print-ckr-size`: nothing else is done. */
  readonly printCrashRegionSize: boolean;
  /** `--dry-run`, `--dry-run=json`; null: act. */
  readonly dryRun: "text" | "json" | null;
  /** `--doctor`, `--doctor=json`: look at the machine and say what works; null: act. */
  readonly doctor: "text" | "json" | null;
  /** `--save-facts=FILE` */
  readonly saveFacts: string | null;
}

/** Requests that end in a text: `-h`, `-v`, and usage after a bad command line. */
export interface TextRequest {
  readonly action: "help" | "version" | "usage";
  /** Lines for stderr before the usage, without a last newline; may be empty. */
  readonly complaint: string;
  readonly exitStatus: number;
}

export type Request = RunRequest | TextRequest;
