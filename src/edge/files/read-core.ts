/** Reads parts of a core file, which may be larger than memory, and writes the log found in it. */

import { openSync, readSync, writeSync } from "node:fs";
import { fail } from "../../core/error.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { outputTo, startedWithout } from "../process/output.ts";
import { closeRead } from "./close.ts";
import { errnoOf } from "./errno-of.ts";
import { reasonOf } from "./system-error.ts";
import { systemPath } from "./system-path.ts";

/** Opens the core file at `path`, a byte string; the caller calls `close`.
 * @throws KexecError `file.open` with kexec-tools' text and status 2 */
export function openCore(path: string) {
  let fd: number;
  try {
    fd = openSync(systemPath(path), "r");
  } catch (error) {
    const message = `Cannot open ${path}: ${reasonOf(error)}`;
    return fail({ code: "file.open", message, exitStatus: 2 });
  }
  return {
    read: (offset: number, length: number) => readAt(fd, offset, length),
    close: () => closeRead(fd),
  };
}

/** `length` bytes at `offset`, or fewer at the end of the file.
 * @throws KexecError `file.read` with the system's error text */
function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    try {
      const got = readSync(fd, bytes, done, length - done, offset + done);
      if (got === 0) break;
      done += got;
    } catch (error) {
      if (errnoOf(error) !== Errno.EINTR) {
        return fail({ code: "file.read", message: reasonOf(error) });
      }
    }
  }
  return bytes.subarray(0, done);
}

/** A closed pipe is a failure too: the log is lost unless it is written. */
function refused(error: unknown): void {
  failWrite(reasonOf(error));
}

function failWrite(reason: string): never {
  const message = `Failed to write out the dmesg log buffer!: ${reason}`;
  return fail({ code: "host.write", message, exitStatus: 54 });
}

const writeStdout = outputTo((bytes, from) => writeSync(1, bytes, from), refused);
let known = false;

/** Writes `text`, a byte string, to standard output.
 * @throws KexecError `host.write` with kexec-tools' text and status 54 if a write fails */
export function writeLog(text: string): void {
  if (!known && startedWithout(1)) failWrite(strerror(Errno.EBADF));
  known = true;
  writeStdout(text);
}
