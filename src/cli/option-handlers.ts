/**
 * What each option does to the settings, in the order of the command line. Rules that need the
 * whole command line are in to-request.ts.
 */

import { ExitStatus, fail } from "../core/error.ts";
import { strtoul } from "../core/strtoul.ts";
import type { ArchOption, ArchSettings, Option } from "../model/option.ts";
import type { ImagePurpose } from "../model/purpose.ts";
import type {
  DoctorRequest,
  DryRunRequest,
  LoadRequest,
  OutputFormat,
  PrintCrashSizeRequest,
  TextRequest,
  XenRequest,
} from "../model/request.ts";
import type { KnownOption, OptionName } from "./options.ts";

type Writable<T> = {
  -readonly [K in keyof T]: T[K] extends readonly string[]
    ? string[]
    : T[K] extends bigint | string | number | boolean | null
      ? T[K]
      : Writable<T[K]>;
};

/** The actions that the options read so far ask for: one flag each, as in kexec-tools. */
export interface Asked {
  status: boolean;
  unload: boolean;
  load: boolean;
  shutdown: boolean;
  sync: boolean;
  ifdown: boolean;
  exec: boolean;
  jumpBack: boolean;
}

/** A request that replaces everything else on the command line: `--doctor`, `--print-ckr-size`. */
type Instead = Omit<DoctorRequest, "world"> | Omit<PrintCrashSizeRequest, "world">;

/** The settings while the command line is read. */
export interface Settings
  extends ArchSettings,
    Writable<Omit<LoadRequest, keyof ArchSettings | "purpose" | "kernel">> {
  readonly asked: Asked;
  instead: Instead | null;
  /** The format of `--dry-run`; null: not given. */
  dryRun: DryRunRequest["format"] | null;
  /** `--save-facts`; null: not given. */
  saveFacts: string | null;
  reuseInitrd: boolean;
  readonly xen: Writable<XenRequest>;
  /** True once an option that chooses an action (such as `-l`, `-e`, `-S`) was given. */
  actionGiven: boolean;
  /** True once `-l` was given: `-S` then reports on the normal image, not on the crash kernel. */
  loadGiven: boolean;
  /** The purpose that the last option with a purpose chose; null: no option chose one. */
  purpose: ImagePurpose | null;
  noIfdown: boolean;
  noSync: boolean;
}

/** Changes the settings. Returns a `TextRequest` to end parsing and print that text, "act" to end
 * parsing and use the settings so far, or undefined to read on. */
type Handler = (
  settings: Settings,
  argument: string,
  option: Option,
) => TextRequest | "act" | undefined;

const effect =
  (change: (settings: Settings, argument: string) => void): Handler =>
  (settings, argument) => {
    change(settings, argument);
    return undefined;
  };

/** Sets the flags in `asked`; the other flags keep the values that earlier options gave them. */
const action = (
  asked: Partial<Asked>,
  more: Partial<Pick<Settings, "purpose" | "loadGiven">> = {},
): Handler =>
  effect((settings) => {
    Object.assign(settings.asked, asked);
    Object.assign(settings, more, { actionGiven: true });
  });

/** `--name=NUMBER`, read as strtoul(3) does with base 0. */
const address =
  (change: (settings: Settings, value: bigint) => void): Handler =>
  (settings, argument, { name }) => {
    const value = strtoul(argument, 0);
    if (value !== null) {
      change(settings, value);
      return undefined;
    }
    const complaint = `Bad option value in --${name}=${argument}`;
    return { action: "usage", complaint, exitStatus: ExitStatus.general };
  };

const setCommandLine = effect((settings, text) => {
  settings.loader.commandLine = text;
});

const setInitrd = effect((settings, path) => {
  settings.loader.initrd = path;
});

const argumentStyle = (style: Settings["loader"]["argumentStyle"]): Handler =>
  effect((settings) => {
    settings.loader.argumentStyle = style;
  });

/** `--name`, `--name=text` or `--name=json`. A zod schema would have to be loaded at every
 * start. */
const format =
  (change: (settings: Settings, format: OutputFormat) => void): Handler =>
  (settings, text, { name }) => {
    if (text !== "" && text !== "text" && text !== "json") {
      fail({
        code: "arguments.format",
        message: `Bad option value in --${name}=${text}`,
        hint: `Use text or json; --${name} alone means --${name}=text.`,
      });
    }
    change(settings, text === "json" ? "json" : "text");
    return undefined;
  };

type ArchOptionName = Extract<KnownOption, ArchOption>["name"];

/** One handler for each option that is not an architecture's; the compiler reports a missing
 * one. */
const HANDLERS: { readonly [Name in Exclude<OptionName, ArchOptionName>]: Handler } = {
  help: () => ({ action: "help", complaint: "", exitStatus: ExitStatus.ok }),
  version: () => ({ action: "version", complaint: "", exitStatus: ExitStatus.ok }),
  force: action({ load: true, shutdown: false, sync: true, ifdown: true, exec: true }),
  "no-checks": effect((settings) => {
    settings.skipChecks = true;
  }),
  "no-ifdown": effect((settings) => {
    settings.noIfdown = true;
  }),
  "no-sync": effect((settings) => {
    settings.noSync = true;
  }),
  load: action({ load: true, shutdown: false, exec: false }, { loadGiven: true }),
  // For `-f -u` kexec-tools unloads and then tries to start the image that is gone, and for `-s -u
  // -l` it loads with the flag for unloading; differs: -u cancels an -f or -e before it, and
  // unloading and loading are separate steps.
  unload: action({
    unload: true,
    load: false,
    shutdown: false,
    sync: false,
    ifdown: false,
    exec: false,
  }),
  exec: action({ load: false, shutdown: false, sync: true, ifdown: true, exec: true }),
  "exec-live-update": action(
    { load: false, shutdown: false, sync: true, ifdown: true, exec: true },
    { purpose: "live-update" },
  ),
  "load-preserve-context": action(
    { load: true, shutdown: false, sync: true, exec: false },
    { purpose: "preserve-context" },
  ),
  // kexec-tools also takes the network interfaces down for it, although it starts nothing; differs.
  "load-jump-back-helper": action(
    { load: false, shutdown: false, sync: true, exec: false, jumpBack: true },
    { purpose: "preserve-context" },
  ),
  "load-live-update": action(
    { load: true, shutdown: false, sync: true, exec: false },
    { purpose: "live-update" },
  ),
  entry: address((settings, value) => {
    settings.entry = value;
  }),
  type: effect((settings, type) => {
    settings.type = type;
  }),
  // kexec-tools loses a -d before -p, because -p overwrites the number that holds both flags;
  // differs.
  "load-panic": action(
    { load: true, shutdown: false, sync: false, exec: false },
    { purpose: "crash" },
  ),
  "mem-min": address((settings, value) => {
    settings.memMin = value;
  }),
  "mem-max": address((settings, value) => {
    settings.memMax = value;
  }),
  reuseinitrd: effect((settings) => {
    settings.reuseInitrd = true;
  }),
  "kexec-file-syscall": effect((settings) => {
    settings.method = "file";
  }),
  "kexec-syscall": effect((settings) => {
    settings.method = "segments";
  }),
  "kexec-syscall-auto": effect((settings) => {
    settings.method = "auto";
  }),
  debug: effect((settings) => {
    settings.debug = true;
  }),
  status: action({ status: true }),
  // As in kexec-tools, this option acts at once: the options after it are not read.
  "print-ckr-size": (settings) => {
    settings.instead = { action: "print-crash-size" };
    return "act";
  },
  hotplug: effect((settings) => {
    settings.hotplug = true;
  }),
  "no-cma": effect((settings) => {
    settings.noCma = true;
  }),
  "force-dtb": effect((settings) => {
    settings.forceDtb = true;
  }),
  "command-line": setCommandLine,
  append: setCommandLine,
  "reuse-cmdline": effect((settings) => {
    settings.loader.reuseCommandLine = true;
  }),
  initrd: setInitrd,
  ramdisk: setInitrd,
  "args-elf": argumentStyle("elf"),
  "args-linux": argumentStyle("linux"),
  "args-none": argumentStyle("none"),
  module: effect((settings, text) => {
    settings.loader.modules.push(text);
  }),
  "real-mode": effect((settings) => {
    settings.loader.realMode = true;
  }),
  "entry-32bit": effect((settings) => {
    settings.loader.entry32Bit = true;
  }),
  dtb: effect((settings, path) => {
    settings.loader.dtb = path;
  }),
  "dry-run": format((settings, chosen) => {
    settings.dryRun = chosen;
  }),
  doctor: format((settings, chosen) => {
    settings.instead = { action: "doctor", format: chosen };
  }),
  facts: effect((settings, path) => {
    settings.facts = path;
  }),
  "save-facts": effect((settings, path) => {
    settings.saveFacts = path;
  }),
  "no-unpack": effect((settings) => {
    settings.unpack = false;
  }),
  "xen-library": effect((settings, path) => {
    if (!path.startsWith("/")) {
      fail({
        code: "arguments.xen-library",
        message: `Bad option value in --xen-library=${path}`,
        hint: "Give an absolute path: kexec never looks for a library in the working directory.",
      });
    }
    settings.xen.library = path;
  }),
  "xen-direct": effect((settings) => {
    settings.xen.direct = true;
  }),
};

/**
 * Applies an option to the settings and returns what its `Handler` returns.
 * @throws KexecError `arguments.*`
 */
export function applyOption(
  settings: Settings,
  option: KnownOption,
  argument: string,
): ReturnType<Handler> {
  if (!("apply" in option)) return HANDLERS[option.name](settings, argument, option);
  option.apply(settings, argument);
  return undefined;
}
