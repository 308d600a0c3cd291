/**
 * Standard output and error as unbuffered byte streams. The runtime's own streams are not used,
 * because they end the program with a stack trace when a pipe is closed.
 */

import { fstatSync, readFileSync, writeSync } from "node:fs";
import { bytesOf } from "../../core/bytes.ts";
import { Errno } from "../ffi/errno.ts";
import { errnoOf } from "../files/errno-of.ts";

/** write(2) of `bytes` from offset `from` to one descriptor; returns how many bytes it wrote. */
export type Write = (bytes: Uint8Array, from: number) => number;

/**
 * Makes a function that writes byte strings. When a write fails for good (closed pipe, full disk),
 * it discards the rest without an error: a load must not fail because of its messages.
 * @param refused called once, with the error of that write; may throw
 */
export function outputTo(
  write: Write,
  refused: (error: unknown) => void = () => {},
): (text: string) => void {
  let gone = false;
  return (text) => {
    const bytes = bytesOf(text);
    for (let done = 0; done < bytes.length && !gone; ) {
      try {
        done += write(bytes, done);
      } catch (error) {
        gone = !mayTryAgain(error);
        if (gone) refused(error);
      }
    }
  };
}

/** Whether the write is worth repeating; waits 1 ms before it where the reader is slow.
 * @throws `error` itself where no system call failed, which is a bug */
function mayTryAgain(error: unknown): boolean {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  if (errno === Errno.EINTR) return true;
  if (errno !== Errno.EAGAIN) return false;
  // Another process has set the pipe or terminal to non-blocking, and it is full: wait 1 ms.
  Bun.sleepSync(1);
  return true;
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

/** Empty without /proc: then nothing is known, and the descriptor is taken for open. */
function descriptorInfo(fd: number): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return "";
  }
}

/** Whether this program was started without descriptor `fd`. */
export function startedWithout(fd: number): boolean {
  return wasClosed(descriptorInfo(fd));
}

/** The major number of /dev/null and the like. [linux Documentation/admin-guide/devices.txt] */
const MEMORY_DEVICES = 1;

/** Whether `fd` may be a terminal: a character device, and not /dev/null. */
function mayBeTerminal(fd: number): boolean {
  try {
    const found = fstatSync(fd);
    return found.isCharacterDevice() && found.rdev >> 8 !== MEMORY_DEVICES;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    // It is closed, or fstat is forbidden: isatty knows.
    return true;
  }
}

/** Whether a person looks at what goes to descriptor `fd`. Loading node:tty takes longer than all
 * else that `-v` does, so that only a device is asked by it. */
export const isTerminal = (fd: number): boolean =>
  mayBeTerminal(fd) && process.getBuiltinModule("node:tty").isatty(fd);

let lost: string | null = null;

/** A reader that has gone has read what it wanted; everything else is a loss. */
function rememberLoss(error: unknown): void {
  if (errnoOf(error) === Errno.EPIPE || !(error instanceof Error)) return;
  // Not the C library's words, which `-v` would have to open it for.
  lost = error.message.replace(/, write$/, "");
}

const writeStdout = outputTo((bytes, from) => writeSync(1, bytes, from), rememberLoss);
let known = false;

export function stdout(text: string): void {
  if (!known && startedWithout(1)) lost = "EBADF: bad file descriptor";
  known = true;
  if (lost === null) writeStdout(text);
}

/** Why something that was written to standard output is lost; null: nothing is. */
export function lostOutput(): string | null {
  return lost;
}

export const stderr = outputTo((bytes, from) => writeSync(2, bytes, from));
