/** Tells on a terminal how far a long reading is. Silent where it is short, or nobody looks. */

import { ioctl } from "../ffi/device-calls.ts";
import type { ReadObserver } from "../files/read-all.ts";
import { stderr } from "./output.ts";
import { eraseLine, progressLine } from "./progress-line.ts";

/** Readings that take less are not spoken of. */
const QUIET_MS = 500;
/** Between two lines: often enough to look alive, and no burden on a serial line. */
const INTERVAL_MS = 250;

const STDERR = 2;
/** struct winsize: rows and columns, 16 bits each. [linux asm-generic/ioctls.h, termios.h] */
const TIOCGWINSZ = 0x5413;
const WINSIZE_SIZE = 8;

export interface Terminal {
  /** null where it is no terminal, 0 where it is one without a size, as serial lines. */
  columns(): number | null;
  write(text: string): void;
  /** In milliseconds, never going back. */
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
 * Does `read` with an observer that draws a line for it, and erases that in the end.
 *
 * @param label what is being done, in ASCII: `Reading initrd`
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
