/**
 * Reads all of an open file into private memory, in one pass: what another process could change
 * after it was hashed and before it is loaded. leased-file.ts maps the files that nobody can
 * change.
 */

import { readSync } from "node:fs";
import { fail } from "../../core/error.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { PINNED_MAX, PinnedMemory } from "../ffi/pinned-memory.ts";
import { availableMemory, checkAvailable } from "./available-memory.ts";
import { errnoOf } from "./errno-of.ts";

/** The most bytes of one read(2): the observer is called so often. */
const CHUNK = 1024 * 1024;

/** Bytes of memory first allocated for a file of unknown size; doubled whenever it is full. */
const FIRST_SIZE = 1024 * 1024;

/** After so many bytes of a file of unknown size, the memory for as many more is looked for. */
const CHECKED = 16 * 1024 * 1024;

/** Called after each read(2) with the bytes read so far and the file's size, null if unknown. */
export type ReadObserver = (done: number, total: number | null) => void;

export interface ReadJob {
  readonly fd: number;
  /** For messages; a byte string. */
  readonly path: string;
  /** Size of the file in bytes; null if it is unknown before the end: pipes, /proc, terminals. */
  readonly size: number | null;
  /** "start": read from offset 0, of a file that can seek; "here": from the descriptor's offset. */
  readonly from: "start" | "here";
  /** Whether to fail where the file has more than `size` bytes, since another process writes it. */
  readonly mayNotGrow: boolean;
  readonly observe?: ReadObserver | undefined;
}

/**
 * All bytes of `job.fd` to the end of the file. The descriptor stays open.
 * @throws KexecError with kexec-tools' text: `file.read`; `file.empty`; `file.changed`;
 *   `file.too-large` beyond 4 GiB; `host.memory`
 */
export function readAll(job: ReadJob): Uint8Array {
  const { path, size } = job;
  if (size === 0) failEmpty(path);
  if (size !== null && size > PINNED_MAX) failTooLarge(path, `${size} bytes`);
  if (size !== null) checkFits(path, size);
  const memory = PinnedMemory.allocate(size ?? FIRST_SIZE, path);
  try {
    return memory.bytes(size === null ? readToEnd(job, memory) : readExactly(job, memory));
  } catch (error) {
    memory.free();
    throw error;
  }
}

/** @throws KexecError `host.memory` where `bytes` more of the file do not fit into memory */
const checkFits = (path: string, bytes: number): void =>
  checkAvailable(`Cannot read ${path}`, BigInt(bytes), availableMemory());

/** One read(2) of at most 1 MiB into `bytes` of `memory`, from offset `done`; returns the number of
 * bytes read, 0 at the end of the file. */
function readPiece(job: ReadJob, memory: PinnedMemory, bytes: Uint8Array, done: number): number {
  const length = Math.min(CHUNK, bytes.length - done);
  memory.populate(done + length);
  const position = job.from === "start" ? done : null;
  for (;;) {
    try {
      return readSync(job.fd, bytes, done, length, position);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === null) throw error;
      if (errno !== Errno.EINTR && errno !== Errno.EAGAIN) failRead(job.path, errno);
      // Another process has set the pipe or terminal to non-blocking, and it is empty: wait 1 ms.
      Bun.sleepSync(1);
    }
  }
}

function readExactly(job: ReadJob, memory: PinnedMemory): number {
  const bytes = memory.bytes();
  let done = 0;
  while (done < bytes.length) {
    const got = readPiece(job, memory, bytes, done);
    if (got === 0) {
      failChanged(job.path, `Read on ${job.path} ended before stat said it should`);
    }
    done += got;
    job.observe?.(done, bytes.length);
  }
  if (job.mayNotGrow && hasMore(job, done)) {
    failChanged(job.path, `Read on ${job.path}: the file grew while it was read`);
  }
  return done;
}

function hasMore(job: ReadJob, done: number): boolean {
  try {
    return readSync(job.fd, new Uint8Array(1), 0, 1, job.from === "start" ? done : null) > 0;
  } catch (error) {
    return failRead(job.path, errnoOf(error) ?? Errno.EIO);
  }
}

function readToEnd(job: ReadJob, memory: PinnedMemory): number {
  let bytes = memory.bytes();
  let done = 0;
  let checked = 0;
  for (;;) {
    if (done >= checked) {
      checkFits(job.path, CHECKED);
      checked = done + CHECKED;
    }
    if (done === bytes.length) {
      if (done === PINNED_MAX) {
        if (!hasMore(job, done)) return done;
        failTooLarge(job.path, `more than ${PINNED_MAX} bytes`);
      }
      memory.resize(Math.min(done * 2, PINNED_MAX));
      bytes = memory.bytes();
    }
    const got = readPiece(job, memory, bytes, done);
    if (got === 0) break;
    done += got;
    job.observe?.(done, null);
  }
  if (done === 0) failEmpty(job.path);
  memory.resize(done);
  return done;
}

function failRead(path: string, errno: number): never {
  return fail({
    code: "file.read",
    message: `Read on ${path} failed: ${strerror(errno)}\nCannot read ${path}`,
  });
}

function failEmpty(path: string): never {
  return fail({ code: "file.empty", message: `Cannot read ${path}`, hint: "The file is empty." });
}

/** @throws KexecError `file.changed`, always */
export function failChanged(path: string, message: string): never {
  return fail({
    code: "file.changed",
    message,
    hint: `Wait until nothing writes to ${path} any more, and try again.`,
  });
}

function failTooLarge(path: string, found: string): never {
  return fail({
    code: "file.too-large",
    message: `Cannot read ${path}: it has ${found}, and at most ${PINNED_MAX} bytes can be loaded`,
  });
}
