/**
 * Turns the command line into a `Request` by the rules of kexec-tools: each option changes the
 * settings in the order of the command line, then the rules for the whole command line apply. It
 * reads no file and changes nothing on the machine.
 */

import { ADDRESS_END } from "../core/address.ts";
import { ExitStatus, fail } from "../core/error.ts";
import {
  CONSOLE_DEFAULTS,
  LOAD_DEFAULTS,
  LOADER_DEFAULTS,
  type Request,
  type TextRequest,
} from "../model/request.ts";
import { type GetoptEvent, getopt, type ParsedCommandLine } from "./getopt.ts";
import { leftOutOperands, leftOutOptions } from "./left-out.ts";
import { type Asked, applyOption, type Settings } from "./option-handlers.ts";
import { finalRequest } from "./to-steps.ts";

/** Where a command line comes from: arguments and environment, as byte strings. */
export interface CommandLineSource {
  /** The name that the program was called by. */
  readonly argv0: string;
  /** The arguments after argv0. */
  readonly argv: readonly string[];
  env(name: string): string | undefined;
}

/**
 * Reads the command line.
 *
 * kexec-tools reports a missing kernel only after it has unloaded an image or looked for the crash
 * region. In these cases the last step of the request reports it.
 *
 * @throws KexecError `arguments.*` for options that exclude each other, an option without another
 *   one that it needs, and wrong arguments of our own options
 */
export function toRequest(source: CommandLineSource): Request {
  const parsed = getopt({
    argv0: source.argv0,
    argv: source.argv,
    posixlyCorrect: source.env("POSIXLY_CORRECT") !== undefined,
  });
  const settings = initialSettings();
  const acted: GetoptEvent[] = [];
  for (const event of parsed.events) {
    acted.push(event);
    const ending = act(settings, event);
    if (ending === "act") break;
    if (ending !== undefined) return ending;
  }
  const asked = finallyAsked(settings, parsed);
  refuseUnboundedPreserve(settings, asked);
  return (
    misplacedOption(settings, asked, parsed, source.argv0) ??
    refusePreserveByFile(settings, asked) ??
    refuseMisusedOwn(settings, asked, source.argv0) ??
    warned(finalRequest(settings, asked, parsed.operands[0] ?? null), [
      ...leftOutOptions(acted),
      ...(asked.load ? leftOutOperands(parsed.operands) : []),
    ])
  );
}

/** Adds the warnings to a request that does something; a text needs none. */
function warned(request: Request, warnings: readonly string[]): Request {
  return warnings.length === 0 || !("world" in request) ? request : { ...request, warnings };
}

/** The settings of a command line without options: load the kernel and shut the machine down into
 * it. */
function initialSettings(): Settings {
  return {
    ...LOAD_DEFAULTS,
    loader: { ...LOADER_DEFAULTS, modules: [], given: [] },
    console: { ...CONSOLE_DEFAULTS },
    badPort: null,
    asked: { ...NOTHING, load: true, shutdown: true, sync: true },
    instead: null,
    dryRun: null,
    saveFacts: null,
    reuseInitrd: false,
    xen: { library: null, direct: false },
    actionGiven: false,
    loadGiven: false,
    purpose: null,
    noIfdown: false,
    noSync: false,
  };
}

/** Applies one event to the settings; returns what a `Handler` returns. */
function act(settings: Settings, event: GetoptEvent): TextRequest | "act" | undefined {
  if (event.kind === "error") return usage(event.message, ExitStatus.general);
  const { name, scope } = event.option;
  const { given } = settings.loader;
  if (scope === "loader" && !given.includes(name)) given.push(name);
  return applyOption(settings, event.option, event.argument ?? "");
}

function usage(complaint: string, exitStatus: number): TextRequest {
  return { action: "usage", complaint, exitStatus };
}

const NOTHING: Asked = {
  status: false,
  unload: false,
  load: false,
  shutdown: false,
  sync: false,
  ifdown: false,
  exec: false,
  jumpBack: false,
};

/** Applies the rules for the whole command line to the actions: `-x`, `-y` and `-S` count at any
 * position. */
function finallyAsked(settings: Settings, { operands }: ParsedCommandLine): Asked {
  const { asked, noIfdown, noSync, actionGiven, saveFacts, dryRun } = settings;
  if (settings.instead !== null) return NOTHING;
  if (asked.status) return { ...NOTHING, status: true };
  const onlySaves = saveFacts !== null && dryRun === null && !actionGiven && operands.length === 0;
  if (onlySaves) return NOTHING;
  return {
    ...asked,
    sync: asked.sync && !noSync,
    // kexec-tools also takes the network down for `-f -l` and `-e -l`, which start nothing;
    // differs: the interfaces go down only before another kernel starts.
    ifdown: asked.ifdown && asked.exec && !noIfdown,
  };
}

/** The usage error for a loader option on a command line that loads nothing, or for a bad serial
 * port or speed; undefined where there is neither. */
function misplacedOption(
  settings: Settings,
  asked: Asked,
  { events }: ParsedCommandLine,
  argv0: string,
): TextRequest | undefined {
  const { badPort } = settings;
  for (const event of events) {
    if (asked.load || event.kind === "error" || !event.option.onlyWithLoad) continue;
    // kexec-tools prints the usage without a reason; differs: one line names the option.
    const reason = `${argv0}: option '--${event.option.name}' is for loading a kernel`;
    const complaint = badPort === null ? reason : `${badPort}\n${reason}`;
    return usage(complaint, ExitStatus.general);
  }
  // kexec-tools prints this complaint, and still does -u and -S; differs: nothing else is done.
  if (badPort !== null) return usage(badPort, ExitStatus.failed);
  return undefined;
}

/** Refuses --load-preserve-context without a --mem-max that leaves memory to the running kernel:
 * the next kernel may use only the memory up to that address. */
function refuseUnboundedPreserve({ purpose, memMax }: Settings, asked: Asked): void {
  if (!asked.load || purpose !== "preserve-context" || memMax < ADDRESS_END - 1n) return;
  fail({
    code: "arguments.mem-max",
    message:
      "Please specify memory range used by kexeced kernel\n" +
      "to preserve the context of original kernel with \n" +
      '"--mem-max" parameter',
    hint: "For example --mem-max=0xfffffff, the lowest 256 MiB; half of all memory is the limit.",
  });
}

/** kexec-tools also refuses -a, which is its default; differs: -a goes on to kexec_load. */
function refusePreserveByFile({ purpose, method }: Settings, { jumpBack }: Asked): undefined {
  if (purpose !== "preserve-context" || method !== "file") return;
  const option = jumpBack ? "load-jump-back-helper" : "load-preserve-context";
  fail({
    code: "arguments.preserve-context",
    message: `--${option} not supported with kexec_file_load`,
    hint: "Leave out -s, or use -c.",
  });
}

/** Refuses `--dry-run` without a load action, and `--facts` without `--dry-run`. */
function refuseMisusedOwn(settings: Settings, asked: Asked, argv0: string): undefined {
  if (settings.dryRun !== null && !asked.load) {
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
