/**
 * Opens and reads kernels and initrds, with kexec-tools' messages: one set for kexec_load, which
 * reads files itself, and one for kexec_file_load, which hands descriptors to the kernel.
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
  /** Compute the SHA-256 on the way. */
  readonly hash: boolean;
  readonly observe?: ReadObserver | undefined;
}

/** @throws the system's error; a path with a NUL, which no file has, is a bug of the caller */
function openPath(path: string): number {
  return openSync(systemPath(path), OPEN_TO_READ);
}

/**
 * How many bytes to read: what the file says of itself, or null where it says nothing and only its
 * end tells. Devices that can seek tell their size by that, as flash memory does.
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
 * @throws KexecError `file.open` and those of `readAll`, with kexec-tools' text and status 1
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

/** kexec-tools' second line, where the kernel's path is known. */
function withCannotLoad(message: string, kernel: string | null): string {
  return kernel === null ? message : `${message}\nCannot load ${kernel}`;
}

/**
 * Opens a file for a `file` plan; the descriptor is the caller's. What the kernel could not read by
 * itself, such as a pipe, is copied into a file in memory.
 *
 * @param kernel for an initrd, the path of the kernel that it is for; null where unknown
 * @throws KexecError with kexec-tools' text and status 255
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

/** Reads what `fd` gives, closes it, and puts it into a file in memory. */
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

/** A file in memory with these bytes, which came from `path`.
 * @throws KexecError `file.memory` */
export function memoryFile(path: string, role: InputRole, bytes: Uint8Array): FileReference {
  const copy = memfdCreate(role);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(copy, bytes, done, bytes.length - done, done);
  }
  return { path, fd: copy, size: BigInt(bytes.length) };
}

/** An unreadable initrd fails a `file` plan with another status than it fails a `segments` plan. */
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
 * Reads all of what `openForKernel` opened, from its start; the descriptor stays open.
 * @throws KexecError those of `readAll`
 */
export function readOpenedFile(file: FileReference, options: ReadOptions): InputFile {
  const { fd, path } = file;
  const size = Number(file.size);
  const read = readAll({ ...options, fd, path, size, from: "start", mayNotGrow: true });
  return { path, ...read };
}
