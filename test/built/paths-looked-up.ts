/** Reads what strace wrote: which paths a program gave to the system. */

import { readFileSync } from "node:fs";

/** Relative paths are as they were given. What `execve` starts is not counted, nor what `getcwd`
 * returned: neither is looked up for what it contains. */
export function pathsLookedUp(trace: string): string[] {
  const calls = readFileSync(trace, "latin1").split("\n");
  return calls.flatMap((line) => {
    const call = /^\d+ +(\w+)\((.*)$/.exec(line);
    if (call === null || call[1] === "execve" || call[1] === "getcwd") return [];
    return [.../(?:^|, )"((?:[^"\\]|\\.)*)"/g[Symbol.matchAll](call[2] ?? "")].map(
      ([, path]) => path ?? "",
    );
  });
}
