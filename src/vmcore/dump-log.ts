/** Prints the log of a core. Only the core is read: no kernel file and no symbol table. */

import { KexecError } from "../core/error.ts";
import { CoreFile, type Read } from "./core-file.ts";
import { readCoreHeader } from "./elf-header.ts";
import { FirstError } from "./first-error.ts";
import { LogText, type WriteText } from "./log-text.ts";
import { CoreMemory } from "./memory.ts";
import { readNotes } from "./notes.ts";
import { printPlainLog } from "./plain-log.ts";
import { printRingbuffer } from "./printk-ringbuffer.ts";
import { printRecordLog } from "./record-log.ts";
import { addVmcoreinfo, Vmcoreinfo } from "./vmcoreinfo.ts";
import { xenCrashInfo } from "./xen-crash-info.ts";

/**
 * Writes the log of the core at `path`, which `read` reads.
 * @throws KexecError after everything that could be read was written; with kexec-tools' words and
 *   statuses where kexec-tools has any
 */
export function dumpLog(path: string, read: Read, write: WriteText): void {
  const out = new LogText(write);
  const firstError = new FirstError();
  const file = new CoreFile(path, read);
  const header = readCoreHeader(file);
  const info = new Vmcoreinfo();
  readNotes(file, header, firstError, (note) => {
    addVmcoreinfo(info, file, note);
    info.xen = xenCrashInfo(file, header, note) ?? info.xen;
  });
  file.renewBudget();
  try {
    const memory = new CoreMemory(file, header, info);
    const ringbuffer = info.symbol("prb");
    if (ringbuffer !== null) printRingbuffer(memory, info, ringbuffer, out, firstError);
    else if (info.symbol("log_first_idx") !== null) printRecordLog(memory, info, out, firstError);
    else printPlainLog(memory, info, out);
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    // An earlier error may be the cause of this one, and is then the one to report.
    firstError.keep(() => error);
  }
  out.flush();
  if (firstError.error !== null) throw firstError.error;
}
