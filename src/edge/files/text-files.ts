/** Small files that the user names: saved facts. */

import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { bytesOf, textOf } from "../../core/bytes.ts";
import { fail } from "../../core/error.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { startedWithout } from "../process/output.ts";
import { closeRead } from "./close.ts";
import { errnoOf } from "./errno-of.ts";
import { reasonOf, uninterrupted } from "./system-error.ts";
import { systemPath } from "./system-path.ts";

/** All of the file at `path` as a byte string. @throws KexecError `file.open` */
export function readTextFile(path: string): string {
  try {
    return textOf(readFileSync(systemPath(path)));
  } catch (cause) {
    return fail({
      code: "file.open",
      message: `Cannot open \`${path}': ${reasonOf(cause)}`,
      cause,
    });
  }
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** Names of open descriptors, which are links that mean what they lead to. */
const DESCRIPTORS = /^\/(?:dev\/(?:std(?:out|err)$|fd\/(\d+))|proc\/(?:self\/fd\/(\d+))?)/;

/** What the runtime has opened in the place of a descriptor that was closed takes everything. */
function refuseClosed(path: string): void {
  const [name, ...numbers] = DESCRIPTORS.exec(path) ?? [];
  const standard = name === "/dev/stdout" ? 1 : 2;
  const fd = Number(numbers.find((number) => number !== undefined) ?? standard);
  if (name === undefined || !startedWithout(fd)) return;
  const message = `Cannot write \`${path}': ${strerror(Errno.EBADF)}`;
  fail({ code: "file.write", message });
}

/** Whether bytes go through `path` to somebody else, so that there is no file to replace. */
function isStream(path: string): boolean {
  if (DESCRIPTORS.test(path)) return true;
  const found = lstatSync(systemPath(path), { throwIfNoEntry: false });
  return found !== undefined && (found.isFIFO() || found.isCharacterDevice() || found.isSocket());
}

function writeAll(fd: number, text: string): void {
  const bytes = bytesOf(text);
  for (let done = 0; done < bytes.length; ) {
    done += uninterrupted(() => writeSync(fd, bytes, done));
  }
}

/** Not every file system has it: EINVAL. */
function flush(fd: number): void {
  try {
    uninterrupted(() => fsyncSync(fd));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== Errno.EINVAL && errno !== Errno.EOPNOTSUPP) throw error;
  }
}

/** Closes `fd` whether or not `use` fails; what close(2) says counts where nothing else failed. */
function using(fd: number, use: () => void): void {
  try {
    use();
  } catch (error) {
    closeRead(fd);
    throw error;
  }
  closeSync(fd);
}

const folderOf = (path: string): string => path.replace(/[^/]*$/, "") || "./";

/** Writes a new file beside `path`, of its owner alone, and puts it in the place of `path`. */
function replaceFile(path: string, text: string): void {
  const folder = folderOf(path);
  // Whoever guesses the name can only have it refused: it must be new.
  const fresh = systemPath(`${folder}.onekexec-${process.pid}-${Date.now()}`);
  const fd = openSync(fresh, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
  try {
    using(fd, () => {
      writeAll(fd, text);
      flush(fd);
    });
    renameSync(fresh, systemPath(path));
  } catch (error) {
    removeFile(fresh);
    throw error;
  }
  flushFolder(folder);
}

/** What was written is complaint enough, where the rest cannot be removed either. */
function removeFile(path: Buffer | string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
  }
}

/** The new name lasts through a loss of power from here on; who may not read the folder does
 * without. */
function flushFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(systemPath(folder), O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return;
  }
  using(fd, () => flush(fd));
}

/**
 * Puts a file with `text` in the place of `path`, whole or not at all: a new file of its owner
 * alone, whatever was there, and of a link the link is replaced. Devices, pipes and descriptors are
 * written to.
 * @throws KexecError `file.write`
 */
export function writeTextFile(path: string, text: string): void {
  refuseClosed(path);
  try {
    if (!isStream(path)) replaceFile(path, text);
    else {
      const fd = openSync(systemPath(path), O_WRONLY);
      using(fd, () => writeAll(fd, text));
    }
  } catch (cause) {
    fail({ code: "file.write", message: `Cannot write \`${path}': ${reasonOf(cause)}`, cause });
  }
}
