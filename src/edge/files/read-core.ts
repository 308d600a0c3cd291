/** Reads a core where it is asked to, and writes its log. Cores are larger than memory. */

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { fail } from "../../core/error.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { outputTo } from "../process/output.ts";
import { errnoOf } from "./errno-of.ts";
import { reasonOf } from "./system-error.ts";
import { systemPath } from "./system-path.ts";

/** Opens `path`, a byte string. @throws KexecError with kexec-tools' text and status 2 */
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
    close: () => closeSync(fd),
  };
}

/** Fewer bytes only at the end of the file. @throws KexecError, the system's reason */
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

/** The log is all that there is to save, so a reader that has gone is a failure too. */
function refused(error: unknown): void {
  failWrite(reasonOf(error));
}

function failWrite(reason: string): never {
  const message = `Failed to write out the dmesg log buffer!: ${reason}`;
  return fail({ code: "host.write", message, exitStatus: 54 });
}

/** O_CLOEXEC, as /proc/PID/fdinfo has it. [linux include/uapi/asm-generic/fcntl.h] */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * True where the program was started without a standard output. The runtime opens /dev/null in its
 * place, which takes everything. A descriptor that a program is started with is never closed on
 * exec, and what the runtime opens always is.
 * @param fdinfo text of /proc/self/fdinfo/1
 */
export function wasClosed(fdinfo: string): boolean {
  const flags = /^flags:[ \t]*([0-7]+)/m.exec(fdinfo)?.[1];
  return flags !== undefined && (Number(BigInt(`0o${flags}`)) & CLOSE_ON_EXEC) !== 0;
}

/** Empty without /proc: then nothing is known, and the output is taken for open. */
function stdoutInfo(): string {
  try {
    return readFileSync("/proc/self/fdinfo/1", "latin1");
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return "";
  }
}

const writeStdout = outputTo((bytes, from) => writeSync(1, bytes, from), refused);
let known = false;

/** @throws KexecError with kexec-tools' text and status where nobody can take the log */
export function writeLog(text: string): void {
  if (!known && wasClosed(stdoutInfo())) failWrite(strerror(Errno.EBADF));
  known = true;
  writeStdout(text);
}
