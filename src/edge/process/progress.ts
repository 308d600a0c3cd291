/** Shows a progress line while a large file is read, if standard error is a terminal and the read
 * takes longer than half a second. */

import { ioctl } from "../ffi/device-calls.ts";
import type { ReadObserver } from "../files/read-all.ts";
import { stderr } from "./output.ts";
import { eraseLine, progressLine } from "./progress-line.ts";

/** No progress line appears before this time. */
const QUIET_MS = 500;
/** Time between two updates of the line: long enough for a slow serial console. */
const INTERVAL_MS = 250;

const STDERR = 2;
/** struct winsize: rows and columns, 16 bits each. [linux asm-generic/ioctls.h, termios.h] */
const TIOCGWINSZ = 0x5413;
const WINSIZE_SIZE = 8;

export interface Terminal {
  /** null if it is not a terminal; 0 for a terminal that has no size, such as a serial line. */
  columns(): number | null;
  write(text: string): void;
  /** Monotonic time in milliseconds. */
  now(): number;
}

export const stderrTerminal: Terminal = {
  columns() {
    const size = new Uint8Array(WINSIZE_SIZE);
    if (ioctl(STDERR, TIOCGWINSZ, size) < 0) return null;
    return new DataView(size.buffer).getUint16(2, true);
  },
  write: stderr,
  now: () => performance.now(),
};

/**
 * Calls `read` with an observer that draws the progress line; erases the line when `read` ends.
 *
 * @param label the current action, in ASCII: `Reading initrd`
 * @throws the errors of `read`
 */
export function withProgress<T>(
  label: string,
  read: (observe: ReadObserver) => T,
  terminal: Terminal = stderrTerminal,
): T {
  let due = terminal.now() + QUIET_MS;
  let drawn = 0;
  try {
    return read((done, total) => {
      const now = terminal.now();
      if (now < due) return;
      due = now + INTERVAL_MS;
      const columns = terminal.columns();
      if (columns === null) return;
      const line = progressLine({ label, done, total }, columns);
      terminal.write(`\r${line.padEnd(drawn)}`);
      drawn = Math.max(drawn, line.length);
    });
  } finally {
    if (drawn > 0) terminal.write(eraseLine(drawn));
  }
}
