/** /proc/mounts: finds a kernel file system that is not mounted at its usual place. */

export const MOUNTS = "/proc/mounts";

/** Undoes the octal escapes of blank, tab, newline, backslash and `#`.
 * [linux fs/proc_namespace.c mangle] */
function withoutEscapes(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number(BigInt(`0o${digits}`) & 0xffn)),
  );
}

/** The directories where file systems of this type are mounted, in the order of the file. */
export function mountPoints(text: string, fileSystem: string): string[] {
  return text
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, directory, type]) => type === fileSystem && directory !== undefined)
    .map(([, directory]) => withoutEscapes(directory ?? ""));
}
