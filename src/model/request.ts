/**
 * `Request`: the command line, typed and complete. Only `cli/to-request.ts` makes it.
 *
 * Texts are byte strings; addresses are `bigint`, below 2^64.
 */

import { ADDRESS_END } from "../core/address.ts";
import type { ImagePurpose } from "./purpose.ts";

/** How a loaded image reaches the kernel: `-s`, `-c`, `-a`. */
export type LoadMethod = "file" | "segments" | "auto";

/** The loader options: those of the image types. */
export interface LoaderRequest {
  /** `--command-line`, `--append`; null: not given. */
  readonly commandLine: string | null;
  readonly reuseCommandLine: boolean;
  readonly initrd: string | null;
  /** `--args-elf`, `--args-linux`, `--args-none`; null: the image type's own default. */
  readonly argumentStyle: "elf" | "linux" | "none" | null;
  /** `--module`, in order: each a path, and optionally a blank and the module's arguments. */
  readonly modules: readonly string[];
  readonly realMode: boolean;
  /** `--entry-32bit` */
  readonly entry32Bit: boolean;
  /** A device tree blob's path. */
  readonly dtb: string | null;
  /** The long names of the loader options that were given, as written, each once. */
  readonly given: readonly string[];
}

/** How the purgatory uses the machine's console. */
export interface ConsoleRequest {
  readonly resetVga: boolean;
  readonly vga: boolean;
  readonly serial: boolean;
  /** I/O port, below 0x10000. */
  readonly serialBase: number;
  /** In baud; 0: the purgatory does not set the port's speed. */
  readonly serialBaud: number;
}

/** The image to load, and how: everything of the command line on which a plan depends. */
export interface LoadRequest {
  readonly purpose: ImagePurpose;
  readonly method: LoadMethod;
  /** Its path, the first operand; a byte string. */
  readonly kernel: string;
  /** `-t`; null: the first image type that matches. */
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
  /** `--entry`: physical address to which the running kernel jumps; 0: the plan's. */
  readonly entry: bigint;
  /** `--hotplug` */
  readonly hotplug: boolean;
  /** `--pass-memmap-cmdline` */
  readonly passMemmapCmdline: boolean;
  /** Whether a kernel may be unpacked before the reboot; `--no-unpack`: it unpacks itself. */
  readonly unpack: boolean;
  /** `--facts=FILE`: plan for the machine that the file describes; null: for this machine. */
  readonly facts: string | null;
}

/** The values of a command line without options. */
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

/** All but the kernel, which has no default. */
export const LOAD_DEFAULTS: Omit<LoadRequest, "kernel"> = {
  purpose: "normal",
  method: "auto",
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
  unpack: true,
  facts: null,
};

/** How to reach Xen, where the machine runs Xen. */
export interface XenRequest {
  /** `--xen-library`, an absolute path; null: search for libxenctrl. */
  readonly library: string | null;
  /** `--xen-direct` */
  readonly direct: boolean;
}

/** The parts of a request that the world depends on. */
export interface WorldRequest {
  readonly xen: XenRequest;
  /** Whether to read the crash facts, which takes long. */
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

/** `--reuseinitrd`, which is always refused. */
export interface RefuseInitrdReuseStep {
  readonly kind: "refuse-initrd-reuse";
}

/** Steps that a dry run has too. */
export type EarlyStep = SaveFactsStep | RefuseInitrdReuseStep;

/** One step of a run, with its parameters. */
export type Step =
  | EarlyStep
  /** Refuse a purpose that the host does not support. */
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
  /** `-S`: the answer is the exit status; the last step. */
  | { readonly kind: "status"; readonly purpose: ImagePurpose }
  | { readonly kind: "unload"; readonly purpose: ImagePurpose; readonly method: LoadMethod }
  | { readonly kind: "load"; readonly request: LoadRequest }
  /** An error that kexec-tools reports only after the steps before it; the last step. */
  | { readonly kind: "usage"; readonly text: TextRequest }
  /** Refuse to shut down or start where no image is loaded. */
  | {
      readonly kind: "require-loaded";
      readonly purpose: ImagePurpose;
      /** An earlier step unloaded the image, and no step loads another. */
      readonly unloaded: boolean;
    }
  /** Run `shutdown -r now`, which ends in `kexec -e`. */
  | { readonly kind: "shutdown" }
  | { readonly kind: "sync" }
  /** Take the network interfaces down. */
  | { readonly kind: "ifdown" }
  | { readonly kind: "exec"; readonly purpose: ImagePurpose }
  /** Load the image that jumps back to the preserved kernel. */
  | { readonly kind: "jump-back"; readonly entry: bigint };

/** Steps in their order; a step that fails ends the run. */
export interface RunRequest extends Warned {
  readonly action: "run";
  readonly world: WorldRequest;
  readonly steps: readonly Step[];
}

/** `--dry-run`: print the plans that would be loaded, and change nothing on the machine. */
export interface DryRunRequest extends Warned {
  readonly action: "dry-run";
  readonly world: WorldRequest;
  readonly format: OutputFormat;
  readonly before: readonly EarlyStep[];
  readonly load: LoadRequest;
}

/** `--doctor`: examine the machine and report what works. */
export interface DoctorRequest extends Warned {
  readonly action: "doctor";
  readonly world: WorldRequest;
  readonly format: OutputFormat;
}

/** `--save-facts=FILE` without another action. */
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

/** Requests that only print a text: `-h`, `-v`, and the usage after an invalid command line. */
export interface TextRequest {
  readonly action: "help" | "version" | "usage";
  /** Lines for stderr before the usage, without a newline at the end; may be empty. */
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
