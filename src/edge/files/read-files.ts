/**
 * Opens and reads kernels and initrds. Errors have kexec-tools' messages, which differ between
 * kexec_load, where this program reads the files, and kexec_file_load, where the kernel does.
 */

import { closeSync, fstatSync, openSync, type Stats, writeSync } from "node:fs";
import { ExitStatus, fail, KexecError } from "../../core/error.ts";
import type { InputFile } from "../../model/image-type.ts";
import type { FileReference } from "../../model/load-plan.ts";
import type { InputRole } from "../../model/world.ts";
import { memfdCreate, seekableSize } from "../ffi/device-calls.ts";
import { type ReadObserver, readAll } from "./read-all.ts";
import { reasonOf } from "./system-error.ts";
import { systemPath } from "./system-path.ts";

/** O_RDONLY | O_CLOEXEC; the same numbers on x86_64 and arm64. [linux asm-generic/fcntl.h] */
const OPEN_TO_READ = 0o2000000;

export interface ReadOptions {
  /** Compute the SHA-256 while the file is read. */
  readonly hash: boolean;
  readonly observe?: ReadObserver | undefined;
}

/** Opens `path` for reading. @throws the system's error; a path with a NUL is the caller's bug */
function openPath(path: string): number {
  return openSync(systemPath(path), OPEN_TO_READ);
}

/**
 * The size in bytes of the open file; null where it is unknown until the end is read. For devices
 * that can seek, such as flash memory, it is the offset of their end.
 */
function sizeToRead(fd: number, stat: Stats): number | null {
  if (stat.isCharacterDevice() || stat.isBlockDevice()) {
    const size = seekableSize(fd);
    return size < 0 ? null : size;
  }
  if (stat.isFile() || stat.isDirectory()) return stat.size > 0 ? stat.size : null;
  return null;
}

function readDescriptor(fd: number, path: string, options: ReadOptions): InputFile {
  const stat = fstatSync(fd);
  const size = sizeToRead(fd, stat);
  const { hash, observe } = options;
  const read = readAll({ fd, path, size, from: "here", mayNotGrow: stat.isFile(), hash, observe });
  return { path, ...read };
}

/**
 * Reads all of a file for a `segments` plan.
 * @param path a byte string
 * @throws KexecError `file.open`, and the errors of `readAll`, with kexec-tools' text and status 1
 */
export function readWholeFile(path: string, options: ReadOptions): InputFile {
  let fd: number;
  try {
    fd = openPath(path);
  } catch (cause) {
    return fail({
      code: "file.open",
      message: `Cannot open \`${path}': ${reasonOf(cause)}`,
      cause,
    });
  }
  try {
    return readDescriptor(fd, path, options);
  } finally {
    closeSync(fd);
  }
}

/** Adds kexec-tools' second line if the kernel's path is known. */
function withCannotLoad(message: string, kernel: string | null): string {
  return kernel === null ? message : `${message}\nCannot load ${kernel}`;
}

/**
 * Opens a file for a `file` plan; the caller owns the descriptor. kexec_file_load reads regular
 * files with a size only, so a pipe, a device or a file of /proc is copied into a memory file.
 *
 * @param kernel for an initrd, the path of its kernel; null if unknown
 * @throws KexecError `file.open`, `file.memory`, and the errors of `readAll`, with kexec-tools'
 *   text; the status is 255, or 1 if the kernel was opened and cannot be read
 */
export function openForKernel(
  path: string,
  role: InputRole,
  kernel: string | null,
  options: ReadOptions,
): FileReference {
  const fd = openByRole(path, role, kernel);
  const stat = fstatSync(fd);
  if (stat.isDirectory() && role === "initrd") {
    closeSync(fd);
    return fail({
      code: "file.open",
      message: withCannotLoad(`Could not open initrd file ${path}:Is a directory`, kernel),
      exitStatus: ExitStatus.failed,
    });
  }
  if (stat.isDirectory() || (stat.isFile() && stat.size > 0)) {
    return { path, fd, size: BigInt(stat.size) };
  }
  return copyToMemory(fd, path, role, kernel, options);
}

function openByRole(path: string, role: InputRole, kernel: string | null): number {
  try {
    return openPath(path);
  } catch (cause) {
    const why = reasonOf(cause);
    return fail({
      code: "file.open",
      message:
        role === "kernel"
          ? `Failed to open file ${path}:${why}`
          : withCannotLoad(`Could not open initrd file ${path}:${why}`, kernel),
      exitStatus: ExitStatus.failed,
      cause,
    });
  }
}

/** Reads `fd` to its end, closes it, and writes the bytes into a file in memory. */
function copyToMemory(
  fd: number,
  path: string,
  role: InputRole,
  kernel: string | null,
  options: ReadOptions,
): FileReference {
  const { bytes } = readForKernel(fd, path, role, kernel, options);
  return memoryFile(path, role, bytes);
}

/** A new file in memory with `bytes`, which were read from `path`; the caller owns the descriptor.
 * @throws KexecError `file.memory` */
export function memoryFile(path: string, role: InputRole, bytes: Uint8Array): FileReference {
  const copy = memfdCreate(role);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(copy, bytes, done, bytes.length - done, done);
  }
  return { path, fd: copy, size: BigInt(bytes.length) };
}

/** Reads and closes `fd`. An initrd that cannot be read ends a `file` plan with status 255, but a
 * `segments` plan with status 1. */
function readForKernel(
  fd: number,
  path: string,
  role: InputRole,
  kernel: string | null,
  options: ReadOptions,
): InputFile {
  try {
    return readDescriptor(fd, path, options);
  } catch (error) {
    if (!(error instanceof KexecError) || role === "kernel") throw error;
    const { code, message, hint } = error;
    return fail({
      code,
      message: withCannotLoad(message, kernel),
      hint,
      exitStatus: ExitStatus.failed,
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads all of a file that `openForKernel` opened, from its start; the descriptor stays open.
 * @throws KexecError the errors of `readAll`
 */
export function readOpenedFile(file: FileReference, options: ReadOptions): InputFile {
  const { fd, path } = file;
  const size = Number(file.size);
  const read = readAll({ ...options, fd, path, size, from: "start", mayNotGrow: true });
  return { path, ...read };
}
