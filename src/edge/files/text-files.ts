/** Small files that the user names: saved facts. */

import { readFileSync, writeFileSync } from "node:fs";
import { bytesOf, textOf } from "../../core/bytes.ts";
import { fail } from "../../core/error.ts";
import { reasonOf } from "./system-error.ts";
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

/** Creates or replaces a file; a new file has mode 0600. @throws KexecError `file.write` */
export function writeTextFile(path: string, text: string): void {
  try {
    writeFileSync(systemPath(path), bytesOf(text), { mode: 0o600 });
  } catch (cause) {
    fail({ code: "file.write", message: `Cannot write \`${path}': ${reasonOf(cause)}`, cause });
  }
}
