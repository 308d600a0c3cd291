/**
 * Reads all of an open file, once, into private memory, and hashes it on the way.
 *
 * Never by mapping the file: another process could change a mapped file between its hashing and its
 * loading. Each piece is hashed right after it was read, while the processor still has it in its
 * cache; reading and hashing then take little more than hashing alone.
 */

import { readSync } from "node:fs";
import { fail } from "../../core/error.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { PINNED_MAX, PinnedMemory } from "../ffi/pinned-memory.ts";
import { errnoOf } from "./errno-of.ts";

/** Of one read(2): made, filled and hashed while it is in the processor's cache. */
const CHUNK = 1024 * 1024;

/** The first memory for a file of unknown size; it doubles. */
const FIRST_SIZE = 1024 * 1024;

/** Told after each piece; `total` is null where the size is not known beforehand. */
export type ReadObserver = (done: number, total: number | null) => void;

export interface ReadJob {
  readonly fd: number;
  /** For messages, a byte string. */
  readonly path: string;
  /** Bytes that the file has; null where only reading tells: pipes, /proc, terminals. */
  readonly size: number | null;
  /** Whether to read from offset 0 of what can seek, or on from where `fd` is. */
  readonly from: "start" | "here";
  /** Whether bytes after `size` mean that somebody is writing to the file. */
  readonly mayNotGrow: boolean;
  readonly hash: boolean;
  readonly observe?: ReadObserver | undefined;
}

export interface ReadBytes {
  readonly bytes: Uint8Array;
  readonly sha256: Uint8Array | null;
}

/**
 * Reads `job`'s file to its end. The descriptor stays open.
 * @throws KexecError with kexec-tools' text: `file.read`, `file.empty`, `file.changed`, and
 *   `file.too-large` beyond 4 GiB; `host.memory`
 */
export function readAll(job: ReadJob): ReadBytes {
  const { path, size, hash } = job;
  if (size === 0) failEmpty(path);
  if (size !== null && size > PINNED_MAX) failTooLarge(path, `${size} bytes`);
  const memory = PinnedMemory.allocate(size ?? FIRST_SIZE, path);
  const hasher = hash ? new Bun.CryptoHasher("sha256") : null;
  try {
    const length =
      size === null ? readToEnd(job, memory, hasher) : readExactly(job, memory, hasher);
    return {
      bytes: memory.bytes(length),
      sha256: hasher === null ? null : new Uint8Array(hasher.digest()),
    };
  } catch (error) {
    memory.free();
    throw error;
  }
}

/** One read(2) of at most a chunk into `bytes`, the memory's, at `done`; 0 at the file's end. */
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
      // Somebody else's end of a pipe or terminal is set to non-blocking: wait a little.
      Bun.sleepSync(1);
    }
  }
}

function readExactly(job: ReadJob, memory: PinnedMemory, hasher: Bun.CryptoHasher | null): number {
  const bytes = memory.bytes();
  let done = 0;
  while (done < bytes.length) {
    const got = readPiece(job, memory, bytes, done);
    if (got === 0) {
      failChanged(job.path, `Read on ${job.path} ended before stat said it should`);
    }
    hasher?.update(bytes.subarray(done, done + got));
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

function readToEnd(job: ReadJob, memory: PinnedMemory, hasher: Bun.CryptoHasher | null): number {
  let bytes = memory.bytes();
  let done = 0;
  for (;;) {
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
    hasher?.update(bytes.subarray(done, done + got));
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

function failChanged(path: string, message: string): never {
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
