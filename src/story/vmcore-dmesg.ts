/** The program vmcore-dmesg as a story: a core, its log, an exit status. [kexec-tools] */

import { errorText } from "../cli/report.ts";
import { ExitStatus, KexecError } from "../core/error.ts";
import type { Console } from "../model/world.ts";
import { dumpLog } from "../vmcore/dump-log.ts";

/** What it needs of the world. */
export interface CoreWorld {
  /** Opens a core. @throws KexecError with kexec-tools' text and status */
  open(path: string): {
    /** As `Read` of vmcore/core-file.ts. */
    read(offset: number, length: number): Uint8Array;
    close(): void;
  };
  /** Unlike the console's, this one tells of a full disk: the log is all that there is to save.
   * @throws KexecError */
  write(text: string): void;
}

/** @returns the exit status; failures are printed here, once. @throws only bugs */
export function runVmcoreDmesg(console: Console, world: CoreWorld): number {
  const [path, ...more] = console.argv;
  if (path === undefined || more.length > 0) {
    console.stderr(`usage: ${console.argv0} <kernel core file>\n`);
    return ExitStatus.general;
  }
  try {
    const core = world.open(path);
    try {
      dumpLog(path, core.read, world.write);
    } finally {
      core.close();
    }
    return ExitStatus.ok;
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    console.stderr(errorText(error));
    return error.exitStatus;
  }
}
