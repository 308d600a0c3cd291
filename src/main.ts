/** Program start: gives the arguments and the real world to the program, and exits with its status.
 * Only this file calls `process.exit`. */

import { isVmcoreDmesg } from "./cli/program-name.ts";
import { errorText, statusOfOutput } from "./cli/report.ts";
import { asksForVersionFirst, versionLine } from "./cli/version.ts";
import { ExitStatus, KexecError } from "./core/error.ts";
import { realConsole, stderr } from "./edge/console.ts";

/** A message of the runtime, which is Unicode text, as a byte string in UTF-8. */
function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Whether `error` is a failed system call of node:fs: its message has call, file and reason. */
function isRefusal(error: Error): boolean {
  return "code" in error && "syscall" in error;
}

/** Reports an unexpected exception, which is a bug in onekexec: one line on stderr, with `-d` also
 * the stack. Returns the exit status. */
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

// No `await` here: a file whose loading waits for others must not be imported by these, so that the
// bundler would move what they share into files of their own, which `-v` would have to load.
start().then(
  (status) => process.exit(status),
  (error) => process.exit(reportBug(error)),
);
