/**
 * Where this process's C library lies. Pure: it reads the text of /proc/self/maps, not the file.
 *
 * Why not open "libc.so.6": where the loader knows no such name (musl), bun:ffi's dlopen goes on to
 * look for it in the working directory. An absolute path of a library that is already mapped is not
 * looked up anywhere, and gives the library that the process runs on.
 */

/** glibc by its name since 2.34, by its name before, and musl, whose loader is its library. */
const LIBC_FILES = [
  /\/libc\.so\.6$/,
  /\/libc-2\.\d+\.so$/,
  /\/(?:ld-musl-[^/]+\.so\.1|libc\.musl-[^/]+\.so\.1)$/,
];

/** Before glibc 2.34 dlopen(3) lies in a library of its own. */
const LIBDL_FILES = [/\/libdl\.so\.2$/, /\/libdl-2\.\d+\.so$/];

/** `address perms offset device inode path`; only mappings of files have an absolute path.
 * [proc_pid_maps(5)] */
const FILE_MAPPING = /^[0-9a-f]+-[0-9a-f]+ [^ ]+ [0-9a-f]+ [^ ]+ [0-9]+ +(\/.*)$/;

/** Absolute paths of the files mapped, in the order of `maps`; of deleted files too, marked so. */
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

/** Absolute path of the C library in the text of /proc/self/maps; null where there is none. */
export function findLibc(maps: string): string | null {
  return firstMatch(maps, LIBC_FILES);
}

/** Absolute path of libdl, where it is mapped and apart from the C library. */
export function findLibdl(maps: string): string | null {
  return firstMatch(maps, LIBDL_FILES);
}
