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

/** What the options so far make happen, each by itself, as kexec-tools keeps it. */
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

/** What takes the place of all that was asked for. */
type Instead = Omit<DoctorRequest, "world"> | Omit<PrintCrashSizeRequest, "world">;

/** The settings while the command line is read. */
export interface Settings
  extends ArchSettings,
    Writable<Omit<LoadRequest, keyof ArchSettings | "purpose" | "kernel">> {
  readonly asked: Asked;
  instead: Instead | null;
  /** `--dry-run`; null: act. */
  dryRun: DryRunRequest["format"] | null;
  /** `--save-facts`; null: not given. */
  saveFacts: string | null;
  reuseInitrd: boolean;
  readonly xen: Writable<XenRequest>;
  /** An option that says what is to be done was given. */
  actionGiven: boolean;
  /** `-l` was given, which chooses the image that `-S` looks at. */
  loadGiven: boolean;
  /** What the last option that says so wants the image for; null: none did. */
  purpose: ImagePurpose | null;
  noIfdown: boolean;
  noSync: boolean;
}

/** Changes the settings; returns a text where reading ends with one, "act" where it ends and what
 * was read until then counts. */
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

/** Replaces some of what is asked; the rest stays as the options before said. */
const action = (
  asked: Partial<Asked>,
  more: Partial<Pick<Settings, "purpose" | "loadGiven">> = {},
): Handler =>
  effect((settings) => {
    Object.assign(settings.asked, asked);
    Object.assign(settings, more, { actionGiven: true });
  });

/** `--name=NUMBER`, as strtoul(3) reads it. */
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

/** `--name`, `--name=text` or `--name=json`. No schema of zod's, which every start would load. */
const format =
  (change: (settings: Settings, format: OutputFormat) => void): Handler =>
  (settings, text, { name }) => {
    if (text !== "" && text !== "text" && text !== "json") {
      fail({
        code: "arguments.format",
        message: `Bad option value in --${name}=${text}`,
        hint: `It is text or json; --${name} alone is --${name}=text.`,
      });
    }
    change(settings, text === "json" ? "json" : "text");
    return undefined;
  };

type ArchOptionName = Extract<KnownOption, ArchOption>["name"];

/** One for each option that is no architecture's: the compiler sees to it. */
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
  // kexec-tools unloads for `-f -u` and then reboots into nothing, and `-s -u -l` loads with the
  // flag for unloading; differs: unloading takes back a start, and the steps stay apart.
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
  // kexec-tools takes the network down for it too, though nothing is started; differs.
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
  // kexec-tools forgets a -d before -p, since both are bits of one number; differs.
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
  // At once, as in kexec-tools: what follows it is not read.
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
  "xen-library": effect((settings, path) => {
    if (!path.startsWith("/")) {
      fail({
        code: "arguments.xen-library",
        message: `Bad option value in --xen-library=${path}`,
        hint: "It is an absolute path: a library is never looked for in the working directory.",
      });
    }
    settings.xen.library = path;
  }),
  "xen-direct": effect((settings) => {
    settings.xen.direct = true;
  }),
};

/** Applies an option to the settings, as `Handler`. @throws KexecError `arguments.*` */
export function applyOption(
  settings: Settings,
  option: KnownOption,
  argument: string,
): ReturnType<Handler> {
  if (!("apply" in option)) return HANDLERS[option.name](settings, argument, option);
  option.apply(settings, argument);
  return undefined;
}
