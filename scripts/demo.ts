/**
 * The demo: boots a Debian kernel in a virtual machine, and lets our kexec start a second one
 * inside it. Each step is shown as it happens, with kexec's own words. The last line says that the
 * second kernel is up and how long each step took; any failure ends with status 1, its reason, and
 * where the serial log is.
 */

import { join } from "node:path";
import { bootMachine, CONSOLE, logPathOf, type MachineRun } from "../test/vm/machine.ts";
import { IN_VM, PROOF_SHA256 } from "../test/vm/rig.ts";
import type { SerialLine } from "../test/vm/serial-log.ts";
import { KEXEC } from "./build.ts";
import { Problem, problemText } from "./command.ts";
import { linesOf } from "./lines.ts";
import { Steps, showSeconds } from "./steps.ts";

const ROOT = join(import.meta.dir, "..");
const SERIES = "6.1";
/** Names the serial log. */
const LOG = "demo";
const SECOND = `${CONSOLE} second`;
const LOAD =
  `kexec -c -l ${IN_VM.kernel} --initrd=${IN_VM.initrd} --append="${SECOND}" ` +
  "--console-serial --serial=ttyS0";

/** What is typed in the first kernel, by the name under which it runs. */
const COMMANDS: Readonly<Record<string, string>> = {
  version: "kexec --version",
  plan: `${LOAD} --dry-run`,
  load: LOAD,
  status: "kexec --status --load",
  start: "kexec -e",
};
/** `--status` ends with 1 where a kernel is loaded. */
const EXPECTED_STATUS: Readonly<Record<string, number>> = { status: 1 };

function caseScript(): string {
  const run = (name: string) => `run ${name} ${COMMANDS[name]}\n`;
  // The kernel's own word about the jump is a notice, which the console does not show otherwise.
  return `${["version", "plan", "load", "status"].map(run).join("")}dmesg -n 6\n${run("start")}`;
}

/** Runs one of our scripts; its lines are the step's. @throws Problem with what it said */
async function runScript(steps: Steps, ...command: readonly string[]): Promise<void> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const said: string[] = [];
  const show = async (stream: ReadableStream<Uint8Array>) => {
    for await (const line of linesOf(stream)) {
      said.push(line);
      steps.line(line.replaceAll("\t", "  "));
    }
  };
  await Promise.all([show(child.stdout), show(child.stderr)]);
  if ((await child.exited) === 0) return;
  throw new Problem({ step: `Run ${command.join(" ")}`, reason: said.join("\n") });
}

/** Follows the serial port of the machine, line by line. */
class Story {
  readonly #steps: Steps;
  readonly #first = new Map<string, string>();
  #current = "";

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  see({ text }: SerialLine): void {
    const [, who, key = "", value = ""] = /^(FIRST|SECOND) ([a-z0-9-]+)=(.*)$/.exec(text) ?? [];
    if (who !== undefined) this.#seeSight(who, key, value);
    else if (text.startsWith("BEGIN ")) this.#begin(text.slice("BEGIN ".length));
    else if (text.startsWith("END ")) this.#end(text);
    else if (text.startsWith("| ")) this.#steps.line(text.slice(2));
    else if (this.#current === "start" && isWorthSeeing(text)) this.#steps.line(shorten(text));
    else this.#steps.note(text.replace(/^\[ *[0-9.]+\] /, ""));
  }

  #begin(name: string): void {
    if (this.#current === "") {
      this.#steps.begin("load", "In the virtual machine: load the second kernel");
    }
    if (name === "start") {
      this.#steps.end();
      this.#steps.begin("second kernel", "In the virtual machine: start it");
    }
    if (this.#current !== "" && name !== "start") this.#steps.line("");
    this.#current = name;
    this.#steps.command(COMMANDS[name] ?? name);
  }

  /** @throws Problem where a command ended with another status than a good one */
  #end(text: string): void {
    const [, name = "", status = ""] = /^END (\S+) rc=(\d+)$/.exec(text) ?? [];
    const expected = EXPECTED_STATUS[name] ?? 0;
    if (Number(status) === expected && name !== "start") {
      if (name === "status") this.#steps.line("(exit status 1: a kernel is loaded)");
      return;
    }
    throw new Problem({
      step: `Run in the virtual machine: ${COMMANDS[name] ?? name}`,
      reason: `exit status ${status}, where ${expected} was expected; its words are above`,
    });
  }

  #seeSight(who: string, key: string, value: string): void {
    if (who === "FIRST") this.#first.set(key, value);
    if (key === "release") this.#steps.line(`Linux ${value} is up`);
    if (key === "cmdline") this.#steps.line(`command line: ${value}`);
    if (key === "memory-kib") this.#steps.line(`memory: ${Math.round(Number(value) / 1024)} MiB`);
    if (key === "initrd" && who === "SECOND") this.#steps.line(`initrd: ${value}`);
    if (key === "proof" && who === "SECOND") {
      const words = value === PROOF_SHA256 ? "every byte as it was loaded" : "NOT as it was loaded";
      this.#steps.line(`initrd's content: ${words}`);
    }
    if (key === "end") this.#steps.end();
  }
}

/** The kernel names its compiler and linker too. */
function shorten(text: string): string {
  return text.replace(/( Linux version \S+) .*/, "$1");
}

/** Of what comes between two kernels: the first one's last words, the purgatory's, a failure's. */
function isWorthSeeing(text: string): boolean {
  return /Starting new kernel|I'm in purgatory|digests|\] Linux version|Kernel panic/.test(text);
}

function checkSecond(run: MachineRun): void {
  const step = "Look at the second kernel";
  const reason = (words: string) => `${words}\nserial log: ${run.logPath}`;
  if (run.second.size === 0) throw new Problem({ step, reason: reason("it did not come up") });
  for (const [key, wanted] of [
    ["cmdline", SECOND],
    ["proof", PROOF_SHA256],
  ] as const) {
    const found = run.second.get(key);
    if (found === wanted) continue;
    throw new Problem({ step, reason: reason(`${key}: ${found}, where ${wanted} was expected`) });
  }
}

async function demo(steps: Steps): Promise<void> {
  steps.say("One Linux kernel starts another, without firmware or boot loader in between.");
  steps.begin("tools", "Get QEMU and a kernel from Debian, where they are missing");
  await runScript(steps, "scripts/machine.ts", "demo", SERIES);
  steps.end();
  steps.begin("build", "Build dist/kexec, one executable with nothing to install");
  await runScript(steps, "scripts/build.ts");
  steps.end();
  steps.begin("first kernel", "Boot Debian's kernel in a virtual machine, emulated in software");
  const story = new Story(steps);
  const run = await bootMachine({
    name: LOG,
    kexec: KEXEC,
    kernel: SERIES,
    caseScript: caseScript(),
    onLine: (line) => story.see(line),
  });
  checkSecond(run);
}

async function main(): Promise<number> {
  const steps = new Steps(process.stdout, process.env);
  const started = performance.now();
  try {
    await demo(steps);
  } catch (error) {
    const text = problemText(error);
    const log = logPathOf({ name: LOG });
    const isNamed = text.includes(log) || !steps.finished.some(({ name }) => name === "build");
    steps.fail(isNamed ? text : `${text}\nserial log: ${log}`);
    return 1;
  }
  const times = steps.finished.map(({ name, seconds }) => `${name} ${showSeconds(seconds)}`);
  const all = showSeconds((performance.now() - started) / 1000);
  process.stdout.write("\n");
  steps.say(`The second kernel is up: ${times.join(", ")}; ${all} in all.`);
  return 0;
}

process.exit(await main());
