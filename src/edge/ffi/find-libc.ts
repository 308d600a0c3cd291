/**
 * Finds the path of this process's C library. Pure: the caller passes the text of /proc/self/maps.
 *
 * Why not open "libc.so.6": where the loader knows no such name (musl), bun:ffi's dlopen searches
 * the working directory for it. The absolute path of a library that is already mapped needs no
 * search, and dlopen then returns the library that the process runs on.
 */

/** glibc's file name since 2.34 and its name before; musl's, whose loader is also the library. */
const LIBC_FILES = [
  /\/libc\.so\.6$/,
  /\/libc-2\.\d+\.so$/,
  /\/(?:ld-musl-[^/]+\.so\.1|libc\.musl-[^/]+\.so\.1)$/,
];

/** Before glibc 2.34, dlopen(3) was in libdl and not in the C library. */
const LIBDL_FILES = [/\/libdl\.so\.2$/, /\/libdl-2\.\d+\.so$/];

/** `address perms offset device inode path`; only mappings of files have an absolute path.
 * [proc_pid_maps(5)] */
const FILE_MAPPING = /^[0-9a-f]+-[0-9a-f]+ [^ ]+ [0-9a-f]+ [^ ]+ [0-9]+ +(\/.*)$/;

/** Absolute paths of the mapped files in the order of `maps`. The path of a deleted file ends with
 * ` (deleted)`. */
function mappedFiles(maps: string): string[] {
  return maps.split("\n").flatMap((line) => FILE_MAPPING.exec(line)?.[1] ?? []);
}

function firstMatch(maps: string, patterns: readonly RegExp[]): string | null {
  const files = mappedFiles(maps);
  for (const pattern of patterns) {
    const found = files.find((file) => pattern.test(file));
    if (found !== undefined) return found;
  }
  return null;
}

/** Absolute path of the C library, from the text of /proc/self/maps; null if none is mapped. */
export function findLibc(maps: string): string | null {
  return firstMatch(maps, LIBC_FILES);
}

/** Absolute path of libdl, from the text of /proc/self/maps; null if no libdl is mapped. */
export function findLibdl(maps: string): string | null {
  return firstMatch(maps, LIBDL_FILES);
}
