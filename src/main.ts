/** The start: arguments and the real world → run → exit status. The only `process.exit`. */

import { isVmcoreDmesg } from "./cli/program-name.ts";
import { errorText, statusOfOutput } from "./cli/report.ts";
import { asksForVersionFirst, versionLine } from "./cli/version.ts";
import { ExitStatus, KexecError } from "./core/error.ts";
import { realConsole, stderr } from "./edge/console.ts";

/** The runtime's texts are Unicode; ours are bytes. */
function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A refusal of the system, whose message says which call it was, of which file, and why. */
function isRefusal(error: Error): boolean {
  return "code" in error && "syscall" in error;
}

/** What `run` did not foresee is a bug of ours: one line says so, and with `-d` more say where. */
function reportBug(error: unknown): number {
  if (error instanceof KexecError) {
    stderr(errorText(error));
    return error.exitStatus;
  }
  const { message, stack } =
    error instanceof Error ? error : { message: String(error), stack: undefined };
  const program = isVmcoreDmesg(process.argv0) ? "vmcore-dmesg" : "kexec";
  const wanted = process.argv.some((word) => word === "-d" || word === "--debug");
  const what = error instanceof Error && isRefusal(error) ? "" : "internal error: ";
  stderr(byteString(`${program}: ${what}${message}\n`));
  if (wanted && stack !== undefined) stderr(byteString(`${stack}\n`));
  return ExitStatus.failed;
}

async function start(): Promise<number> {
  const console = realConsole();
  if (isVmcoreDmesg(console.argv0)) {
    const { runVmcoreDmesg } = await import("./story/vmcore-dmesg.ts");
    const { realCoreWorld } = await import("./edge/core-world.ts");
    return runVmcoreDmesg(console, realCoreWorld);
  }
  if (asksForVersionFirst(console.argv)) {
    console.stdout(`${versionLine()}\n`);
    return statusOfOutput(ExitStatus.ok, console);
  }
  const { runKexec } = await import("./story/kexec.ts");
  return runKexec(console, async (request) => {
    const { makeRealWorld } = await import("./edge/real-world.ts");
    return makeRealWorld(console, request);
  });
}

try {
  process.exit(await start());
} catch (error) {
  process.exit(reportBug(error));
}
