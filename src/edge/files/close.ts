/** Closing of files that were read: what the system says of it (EIO, EINTR) changes nothing. */

import { closeSync } from "node:fs";
import { errnoOf } from "./errno-of.ts";

/** Closes `fd`, which is closed even where the system complains. @throws only bugs */
export function closeRead(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
  }
}
