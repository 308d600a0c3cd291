/**
 * The command line becomes a `Request`, as kexec-tools' main() would read it: options act in their
 * order, then the rules for the whole are applied. It reads no file and does no deed.
 */

import { ADDRESS_END } from "../core/address.ts";
import { ExitStatus, fail } from "../core/error.ts";
import type { Request, RunRequest, Steps, TextRequest } from "../model/request.ts";
import { type GetoptEvent, getopt, type ParsedCommandLine } from "./getopt.ts";
import { HANDLERS, type Settings } from "./option-handlers.ts";

/** The part of the world that a command line comes from; byte strings. */
export interface CommandLineSource {
  /** As the program was called. */
  readonly argv0: string;
  /** What follows argv0. */
  readonly argv: readonly string[];
  env(name: string): string | undefined;
}

/** What `-l` says without a kernel, once what comes before loading is done. [kexec-tools] */
export const NO_KERNEL: TextRequest = usage("No kernel specified", ExitStatus.failed);

/**
 * Reads the command line.
 *
 * A `RunRequest` with `steps.load` and no kernel comes only with `steps.unload`, or for a crash
 * kernel: kexec-tools unloads, or looks for the crash region, before it misses the kernel, so
 * whoever obeys the request does that first and then obeys `NO_KERNEL`.
 *
 * @throws KexecError `arguments.*` for what is valid but cannot be done: options that exclude each
 *   other, or one without what it needs
 */
export function toRequest(source: CommandLineSource): Request {
  const parsed = getopt({
    argv0: source.argv0,
    argv: source.argv,
    posixlyCorrect: source.env("POSIXLY_CORRECT") !== undefined,
  });
  const settings = initialSettings();
  for (const event of parsed.events) {
    const ending = act(settings, event);
    if (ending === "act") break;
    if (ending !== undefined) return ending;
  }
  const steps = finalSteps(settings, parsed);
  refuseUnboundedPreserve(settings, steps);
  return (
    misplacedOption(settings, steps, parsed, source.argv0) ??
    refusePreserveByFile(settings, steps) ??
    refuseMisusedOwn(settings, steps, source.argv0) ??
    missingKernel(settings, steps, parsed) ??
    runRequest(settings, steps, parsed)
  );
}

/** Without options the kernel is loaded and the machine shut down into it. */
function initialSettings(): Settings {
  return {
    steps: {
      status: false,
      unload: false,
      load: true,
      shutdown: true,
      sync: true,
      ifdown: false,
      exec: false,
      jumpBack: false,
    },
    actionGiven: false,
    loadGiven: false,
    purpose: null,
    noIfdown: false,
    noSync: false,
    method: "auto",
    type: null,
    loader: {
      commandLine: null,
      reuseCommandLine: false,
      initrd: null,
      argumentStyle: null,
      modules: [],
      realMode: false,
      entry32Bit: false,
      dtb: null,
      given: [],
    },
    console: { resetVga: false, vga: false, serial: false, serialBase: 0x3f8, serialBaud: 0 },
    badPort: null,
    memMin: 0n,
    memMax: ADDRESS_END - 1n,
    skipChecks: false,
    debug: false,
    noEfi: false,
    reuseVideoType: false,
    noCma: false,
    forceDtb: false,
    entry: 0n,
    reuseInitrd: false,
    hotplug: false,
    passMemmapCmdline: false,
    xen: { library: null, direct: false },
    printCrashRegionSize: false,
    dryRun: null,
    doctor: null,
    facts: null,
    saveFacts: null,
  };
}

/** A text to print and nothing else to do, "act" to read no further, or undefined to read on. */
function act(settings: Settings, event: GetoptEvent): TextRequest | "act" | undefined {
  if (event.kind === "error") return usage(event.message, ExitStatus.general);
  const { name, scope } = event.option;
  const { given } = settings.loader;
  if (scope === "loader" && !given.includes(name)) given.push(name);
  return HANDLERS[event.option.name](settings, event.argument ?? "", event.option);
}

function usage(complaint: string, exitStatus: number): TextRequest {
  return { action: "usage", complaint, exitStatus };
}

const NO_STEPS: Steps = {
  status: false,
  unload: false,
  load: false,
  shutdown: false,
  sync: false,
  ifdown: false,
  exec: false,
  jumpBack: false,
};

/** What the options say together; -x, -y and -S count wherever they stand. */
function finalSteps(settings: Settings, { operands }: ParsedCommandLine): Steps {
  const { steps, noIfdown, noSync, actionGiven, saveFacts, dryRun } = settings;
  if (settings.printCrashRegionSize || settings.doctor !== null) return NO_STEPS;
  if (steps.status) return { ...NO_STEPS, status: true };
  const onlySaves = saveFacts !== null && dryRun === null && !actionGiven && operands.length === 0;
  if (onlySaves) return NO_STEPS;
  return {
    ...steps,
    sync: steps.sync && !noSync,
    // kexec-tools takes the network down for `-f -l` and `-e -l` too, which start nothing; differs:
    // the interfaces go down only on the way to another kernel.
    ifdown: steps.ifdown && steps.exec && !noIfdown,
  };
}

/** Options of loaders are a mistake where nothing is loaded; so is a bad port anywhere. */
function misplacedOption(
  settings: Settings,
  steps: Steps,
  { events }: ParsedCommandLine,
  argv0: string,
): TextRequest | undefined {
  const { badPort } = settings;
  for (const event of events) {
    if (steps.load || event.kind === "error" || !event.option.onlyWithLoad) continue;
    // kexec-tools gives no reason; differs: one line says which option it was.
    const reason = `${argv0}: option '--${event.option.name}' is for loading a kernel`;
    const complaint = badPort === null ? reason : `${badPort}\n${reason}`;
    return usage(complaint, ExitStatus.general);
  }
  // kexec-tools says so, and then does -u and -S nevertheless; differs: nothing is done.
  if (badPort !== null) return usage(badPort, ExitStatus.failed);
  return undefined;
}

/** The running kernel keeps what lies above what the next one was told to stay below. */
function refuseUnboundedPreserve({ purpose, memMax }: Settings, steps: Steps): void {
  if (!steps.load || purpose !== "preserve-context" || memMax < ADDRESS_END - 1n) return;
  fail({
    code: "arguments.mem-max",
    message:
      "Please specify memory range used by kexeced kernel\n" +
      "to preserve the context of original kernel with \n" +
      '"--mem-max" parameter',
    hint: "For example --mem-max=0xfffffff, the lowest 256 MiB; half of all memory is the most.",
  });
}

/** kexec-tools refuses -a too, which is its default; differs: -a goes on to kexec_load. */
function refusePreserveByFile({ purpose, method }: Settings, { jumpBack }: Steps): undefined {
  if (purpose !== "preserve-context" || method !== "file") return;
  const option = jumpBack ? "load-jump-back-helper" : "load-preserve-context";
  fail({
    code: "arguments.preserve-context",
    message: `--${option} not supported with kexec_file_load`,
    hint: "Leave -s out, or say -c.",
  });
}

/** Our own options where they make no sense. */
function refuseMisusedOwn(settings: Settings, steps: Steps, argv0: string): undefined {
  if (settings.dryRun !== null && !steps.load) {
    fail({
      code: "arguments.dry-run",
      message: `${argv0}: option '--dry-run' needs a load action (-l or -p)`,
      hint: `Try: ${argv0} --dry-run -l KERNEL`,
    });
  }
  if (settings.facts !== null && settings.dryRun === null) {
    fail({
      code: "arguments.facts",
      message: `${argv0}: option '--facts' plans for another machine, and needs '--dry-run'`,
      hint: `Try: ${argv0} --dry-run --facts=FILE -l KERNEL`,
    });
  }
}

function missingKernel(
  settings: Settings,
  steps: Steps,
  { operands }: ParsedCommandLine,
): TextRequest | undefined {
  // kexec-tools looks for the crash region before it misses the kernel.
  if (settings.purpose === "crash") return undefined;
  const unloadsFirst = steps.unload && settings.dryRun === null;
  return steps.load && operands.length === 0 && !unloadsFirst ? NO_KERNEL : undefined;
}

function runRequest(settings: Settings, steps: Steps, { operands }: ParsedCommandLine): RunRequest {
  // kexec-tools takes -d for the choice of another image here; differs: only -l and -p choose.
  const usual = steps.status && !settings.loadGiven ? "crash" : "normal";
  return {
    action: "run",
    steps,
    purpose: settings.purpose ?? usual,
    method: settings.method,
    kernel: operands[0] ?? null,
    type: settings.type,
    loader: settings.loader,
    console: settings.console,
    memMin: settings.memMin,
    memMax: settings.memMax,
    skipChecks: settings.skipChecks,
    debug: settings.debug,
    noEfi: settings.noEfi,
    reuseVideoType: settings.reuseVideoType,
    noCma: settings.noCma,
    forceDtb: settings.forceDtb,
    entry: settings.entry,
    reuseInitrd: settings.reuseInitrd,
    hotplug: settings.hotplug,
    passMemmapCmdline: settings.passMemmapCmdline,
    xen: settings.xen,
    printCrashRegionSize: settings.printCrashRegionSize,
    dryRun: settings.dryRun,
    doctor: settings.doctor,
    facts: settings.facts,
    saveFacts: settings.saveFacts,
  };
}
