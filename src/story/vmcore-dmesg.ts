/** The program vmcore-dmesg: prints the kernel log in a core. [kexec-tools] */

import { errorText } from "../cli/report.ts";
import { ExitStatus, KexecError } from "../core/error.ts";
import type { Console } from "../model/world.ts";
import { dumpLog } from "../vmcore/dump-log.ts";

/** The part of the world that vmcore-dmesg needs. */
export interface CoreWorld {
  /** Opens a core. @throws KexecError with kexec-tools' text and status */
  open(path: string): {
    /** As `Read` of vmcore/core-file.ts. */
    read(offset: number, length: number): Uint8Array;
    close(): void;
  };
  /**
   * Writes to stdout. Unlike the console's, this function fails where the text cannot be written,
   * for example on a full disk: the log is the only result of the program.
   * @throws KexecError
   */
  write(text: string): void;
}

/**
 * Prints the log of the core that the command line names. Prints a failure here, once.
 * @returns the exit status
 * @throws only bugs
 */
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
