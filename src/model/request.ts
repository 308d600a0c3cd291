/**
 * `Request`: what the user asked for, typed and complete. `cli/to-request.ts` makes it from the
 * command line, and nothing else does.
 *
 * Texts are byte strings; addresses are `bigint`, below 2^64.
 */

import { ADDRESS_END } from "../core/address.ts";
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

/** What a command line without options asks of a loader, a console and a load. */
export const LOADER_DEFAULTS: LoaderRequest = {
  commandLine: null,
  reuseCommandLine: false,
  initrd: null,
  argumentStyle: null,
  modules: [],
  realMode: false,
  entry32Bit: false,
  dtb: null,
  given: [],
};

export const CONSOLE_DEFAULTS: ConsoleRequest = {
  resetVga: false,
  vga: false,
  serial: false,
  serialBase: 0x3f8,
  serialBaud: 0,
};

export const LOAD_DEFAULTS: LoadRequest = {
  purpose: "normal",
  method: "auto",
  kernel: null,
  type: null,
  loader: LOADER_DEFAULTS,
  console: CONSOLE_DEFAULTS,
  memMin: 0n,
  memMax: ADDRESS_END - 1n,
  skipChecks: false,
  debug: false,
  noEfi: false,
  reuseVideoType: false,
  noCma: false,
  forceDtb: false,
  entry: 0n,
  hotplug: false,
  passMemmapCmdline: false,
  facts: null,
};

/** A load whose kernel is known. */
export interface KernelLoadRequest extends LoadRequest {
  readonly kernel: string;
}

/** How Xen is reached, where the machine has one. */
export interface XenRequest {
  /** `--xen-library`, an absolute path; null: look for libxenctrl. */
  readonly library: string | null;
  /** `--xen-direct` */
  readonly direct: boolean;
}

/** What the world is opened for. */
export interface WorldRequest {
  readonly xen: XenRequest;
  /** The facts have what a dump needs: reading it takes its time. */
  readonly crashFacts: boolean;
}

/** What was given and does not count, a sentence or two each: for stderr, before all else. */
export interface Warned {
  readonly warnings?: readonly string[];
}

export type OutputFormat = "text" | "json";

/** `--save-facts=FILE` */
export interface SaveFactsStep {
  readonly kind: "save-facts";
  readonly path: string;
}

/** `--reuseinitrd`: refused where no machine passes its initrd on. */
export interface RefuseInitrdReuseStep {
  readonly kind: "refuse-initrd-reuse";
}

/** What comes before a dry run too. */
export type EarlyStep = SaveFactsStep | RefuseInitrdReuseStep;

/** One thing that happens, with all that it needs. */
export type Step =
  | EarlyStep
  /** Refuse a purpose that the host does not have. */
  | {
      readonly kind: "check-supported";
      readonly purpose: ImagePurpose;
      readonly action: "load" | "exec";
    }
  /** Refuse a crash kernel where no memory is reserved for it. */
  | { readonly kind: "require-crash-region" }
  /** Refuse `--hotplug` where the kernel does not update a crash kernel's core header. */
  | { readonly kind: "require-hotplug" }
  /** `-d`: print which host this is, and why. */
  | { readonly kind: "describe-host" }
  /** `-S`: its answer is the exit status, and the end. */
  | { readonly kind: "status"; readonly purpose: ImagePurpose }
  | { readonly kind: "unload"; readonly purpose: ImagePurpose; readonly method: LoadMethod }
  | { readonly kind: "load"; readonly request: KernelLoadRequest }
  /** A mistake that kexec-tools notices only after the steps before; the end. */
  | { readonly kind: "usage"; readonly text: TextRequest }
  /** Nobody's machine goes down when there is nothing to start. */
  | {
      readonly kind: "require-loaded";
      readonly purpose: ImagePurpose;
      /** The image was unloaded a moment ago, and none was loaded since. */
      readonly unloaded: boolean;
    }
  /** Run `shutdown -r now`, which ends in `kexec -e`. */
  | { readonly kind: "shutdown" }
  | { readonly kind: "sync" }
  /** Take the network interfaces down. */
  | { readonly kind: "ifdown" }
  | { readonly kind: "exec"; readonly purpose: ImagePurpose }
  /** Load what jumps back to the kernel that was preserved. */
  | { readonly kind: "jump-back"; readonly entry: bigint };

/** Steps in the order in which they happen; one that fails is the last. */
export interface RunRequest extends Warned {
  readonly action: "run";
  readonly world: WorldRequest;
  readonly steps: readonly Step[];
}

/** `--dry-run`: print what would be loaded; change nothing of the machine. */
export interface DryRunRequest extends Warned {
  readonly action: "dry-run";
  readonly world: WorldRequest;
  readonly format: OutputFormat;
  readonly before: readonly EarlyStep[];
  readonly load: KernelLoadRequest;
}

/** `--doctor`: look at the machine and say what works. */
export interface DoctorRequest extends Warned {
  readonly action: "doctor";
  readonly world: WorldRequest;
  readonly format: OutputFormat;
}

/** `--save-facts=FILE`, and nothing else. */
export interface SaveFactsRequest extends Warned {
  readonly action: "save-facts";
  readonly world: WorldRequest;
  readonly path: string;
}

/** `--print-ckr-size` */
export interface PrintCrashSizeRequest extends Warned {
  readonly action: "print-crash-size";
  readonly world: WorldRequest;
}

/** Requests that end in a text: `-h`, `-v`, and usage after a bad command line. */
export interface TextRequest {
  readonly action: "help" | "version" | "usage";
  /** Lines for stderr before the usage, without a last newline; may be empty. */
  readonly complaint: string;
  readonly exitStatus: number;
}

/** The requests by their action. */
export interface Requests {
  readonly run: RunRequest;
  readonly "dry-run": DryRunRequest;
  readonly doctor: DoctorRequest;
  readonly "save-facts": SaveFactsRequest;
  readonly "print-crash-size": PrintCrashSizeRequest;
  readonly help: TextRequest;
  readonly version: TextRequest;
  readonly usage: TextRequest;
}

export type Action = keyof Requests;
export type Request = Requests[Action];
