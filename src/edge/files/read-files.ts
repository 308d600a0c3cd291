/**
 * Opens and reads kernels and initrds. Errors have kexec-tools' messages, which differ between
 * kexec_load, where this program reads the files, and kexec_file_load, where the kernel does.
 */

import { fstatSync, openSync, type Stats, writeSync } from "node:fs";
import { ExitStatus, fail, KexecError } from "../../core/error.ts";
import type { InputFile } from "../../model/image-type.ts";
import type { FileReference, NotByFile } from "../../model/load-plan.ts";
import type { Input, InputRole } from "../../model/world.ts";
import { memfdCreate, seekableSize } from "../ffi/device-calls.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { closeRead } from "./close.ts";
import { errnoOf } from "./errno-of.ts";
import { LeasedFile } from "./leased-file.ts";
import { failChanged, type ReadObserver, readAll } from "./read-all.ts";
import { reasonOf, uninterrupted } from "./system-error.ts";
import { systemPath } from "./system-path.ts";

/** O_RDONLY | O_CLOEXEC; the same numbers on x86_64 and arm64. [linux asm-generic/fcntl.h] */
const OPEN_TO_READ = 0o2000000;

/** Does a reading, and shows how far it is. */
export type ShowProgress = <T>(read: (observe: ReadObserver) => T) => T;

const silent: ShowProgress = (read) => read(() => {});

/** Where a file is named in a message, and what it is for. */
interface Named {
  /** As the user gave it, a byte string. */
  readonly path: string;
  readonly role: InputRole;
  /** For an initrd of a `file` plan, the path of the kernel that it is for, which kexec-tools'
   * messages name; null: kexec_load is to load it. */
  readonly kernel: string | null;
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

/** kexec-tools' second line of what is wrong with an initrd. */
const cannotLoad = (message: string, kernel: string): string => `${message}\nCannot load ${kernel}`;

/** kexec-tools' text and status for a file that cannot be opened. */
function failOpen({ path, kernel }: Named, why: string, cause?: unknown): never {
  if (kernel === null) {
    return fail({ code: "file.open", message: `Cannot open \`${path}': ${why}`, cause });
  }
  return fail({
    code: "file.open",
    message: cannotLoad(`Could not open initrd file ${path}:${why}`, kernel),
    exitStatus: ExitStatus.failed,
    cause,
  });
}

/** What cannot be read fails a `file` plan with another status than a `segments` plan. */
function readFor<T>({ kernel }: Named, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof KexecError) || kernel === null) throw error;
    const { code, message, hint } = error;
    const { failed: exitStatus } = ExitStatus;
    throw new KexecError({
      code,
      message: cannotLoad(message, kernel),
      hint,
      exitStatus,
      cause: error,
    });
  }
}

/** What the open file is. @throws KexecError `file.read` */
function fileStat(named: Named, fd: number): Stats {
  try {
    return fstatSync(fd);
  } catch (cause) {
    const message = `Cannot stat: ${named.path}: ${reasonOf(cause)}`;
    return readFor(named, () => fail({ code: "file.read", message, cause }));
  }
}

/** How files are read. */
export interface Reading {
  readonly progress: ShowProgress;
  /** Whether a file may be mapped. */
  readonly mapped: boolean;
}

/** A file that is open. What it was when it was opened decides how it is read. */
class OpenedInput implements Input {
  readonly #named: Named;
  readonly #stat: Stats;
  readonly #progress: ShowProgress;
  #mayMap: boolean;
  /** null: closed. */
  #fd: number | null;
  #leased: LeasedFile | null = null;
  #read: InputFile | null = null;
  #reference: FileReference | NotByFile | null = null;

  constructor(named: Named, fd: number, stat: Stats, { progress, mapped }: Reading) {
    this.#named = named;
    this.#fd = fd;
    this.#stat = stat;
    this.#progress = progress;
    this.#mayMap = mapped && stat.isFile();
  }

  read(): InputFile {
    this.#read ??= this.#progress((observe) => this.#map(observe) ?? this.#copy(observe));
    return this.#read;
  }

  #map(observe: ReadObserver): InputFile | null {
    if (!this.#mayMap) return null;
    this.#leased = LeasedFile.map(this.#descriptor(), observe);
    return this.#leased && { path: this.#named.path, bytes: this.#leased.bytes };
  }

  #copy(observe: ReadObserver): InputFile {
    const { path } = this.#named;
    const fd = this.#descriptor();
    const stat = fileStat(this.#named, fd);
    const size = sizeToRead(fd, stat);
    // The kernel reads from the start too, whatever was read here before.
    const from = size === null ? "here" : "start";
    const mayNotGrow = stat.isFile();
    const bytes = readAll({ fd, path, size, from, mayNotGrow, observe });
    if (mayNotGrow && size !== null) this.#checkUnchanged(stat);
    // A lease that another process has broken still held its write off until here.
    this.#endLease();
    return { path, bytes };
  }

  /** Bytes from before and after a write of another process are no version of the file.
   * @throws KexecError `file.changed` */
  #checkUnchanged({ mtimeMs }: Stats): void {
    const { path } = this.#named;
    if (fileStat(this.#named, this.#descriptor()).mtimeMs === mtimeMs) return;
    failChanged(path, `Read on ${path}: the file changed while it was read`);
  }

  changed(): boolean {
    return this.#leased?.changed() ?? false;
  }

  unmap(): void {
    this.#mayMap = false;
    if (this.#leased?.isMapped !== true) return;
    this.#leased.unmap();
    this.#read = null;
  }

  #endLease(): void {
    this.#leased?.end();
    this.#leased = null;
  }

  reference(): FileReference | NotByFile {
    this.#reference ??= this.#refer();
    return this.#reference;
  }

  #refer(): FileReference | NotByFile {
    const { path, role } = this.#named;
    const stat = this.#stat;
    if (stat.isDirectory() && role === "initrd") failOpen(this.#named, "Is a directory");
    if (stat.isDirectory() || (stat.isFile() && stat.size > 0)) {
      return { path, fd: this.#descriptor(), size: BigInt(stat.size) };
    }
    const { bytes } = readFor(this.#named, () => this.read());
    return memoryFile(path, role, bytes);
  }

  close(): void {
    this.unmap();
    this.#endLease();
    if (this.#fd !== null) closeRead(this.#fd);
    this.#fd = null;
  }

  #descriptor(): number {
    if (this.#fd === null) throw new RangeError(`${this.#named.path} is closed`);
    return this.#fd;
  }
}

/**
 * Opens a file for every attempt to load it: `Input` says what can be done with it.
 * @param kernel for an initrd of a `file` plan, the path of the kernel that it is for; null: what
 *   cannot be opened fails as it does with kexec_load
 * @throws KexecError `file.open` and `file.read`, with kexec-tools' text and status
 */
export function openInput(
  path: string,
  role: InputRole,
  kernel: string | null,
  reading: Partial<Reading> = {},
): Input {
  const named = { path, role, kernel };
  const { progress = silent, mapped = true } = reading;
  let fd: number;
  try {
    fd = openPath(path);
  } catch (cause) {
    return failOpen(named, reasonOf(cause), cause);
  }
  try {
    return new OpenedInput(named, fd, fileStat(named, fd), { progress, mapped });
  } catch (error) {
    closeRead(fd);
    throw error;
  }
}

/** What most likely stands behind a file in memory that cannot be made. */
const MEMORY_CAUSES: ReadonlyMap<number, string> = new Map([
  [Errno.EPERM, "A seccomp filter or an LSM (SELinux) probably denies it."],
  [Errno.EACCES, "A seccomp filter or an LSM (SELinux) probably denies it."],
  [Errno.ENOSYS, "A seccomp filter probably denies it, or this kernel has no memfd_create."],
  [Errno.EFBIG, "The limit on the size of files (ulimit -f) holds for files in memory too."],
  [Errno.EMFILE, "The limit on open files (ulimit -n) is reached."],
]);

function noMemoryFile(path: string, call: string, errno: number): NotByFile {
  const notByFile = `cannot put ${path} into a file in memory: ${call}: ${strerror(errno)}`;
  const failure = new KexecError({
    code: "file.memory",
    message: notByFile,
    hint: [
      MEMORY_CAUSES.get(errno) ?? "",
      "kexec_file_load accepts regular files only. Try -c: kexec_load needs no file in memory.",
    ]
      .filter((line) => line !== "")
      .join("\n"),
    exitStatus: ExitStatus.failed,
  });
  return { notByFile, failure };
}

/** A file in memory with these bytes, which came from `path`, owned by the caller; where none can
 * be made, why. */
export function memoryFile(
  path: string,
  role: InputRole,
  bytes: Uint8Array,
): FileReference | NotByFile {
  const fd = memfdCreate(role);
  if (fd < 0) return noMemoryFile(path, "memfd_create", -fd);
  try {
    for (let done = 0; done < bytes.length; ) {
      done += uninterrupted(() => writeSync(fd, bytes, done, bytes.length - done, done));
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    closeRead(fd);
    return noMemoryFile(path, "write", errno);
  }
  return { path, fd, size: BigInt(bytes.length) };
}
