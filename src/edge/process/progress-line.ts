/**
 * The text of the progress line for reading a large file. Pure. It has no escape sequences, so that
 * it is right on serial consoles too.
 */

import { humanSize } from "../../core/address.ts";

/** Columns assumed for a terminal that reports the size 0x0, as serial lines do. */
const USUAL_WIDTH = 80;

/** Columns left free at the right: many terminals wrap when the last column is written. */
const MARGIN = 1;

const BAR_MIN = 10;
const BAR_MAX = 40;

export interface Progress {
  /** The current action, in ASCII: `Reading initrd`. */
  readonly label: string;
  /** Bytes read so far. */
  readonly done: number;
  /** Size of the file in bytes; null if unknown. */
  readonly total: number | null;
}

function bar(ratio: number, width: number): string {
  const full = Math.floor(ratio * width);
  return `[${"#".repeat(full)}${".".repeat(width - full)}]`;
}

/**
 * The progress line without a line feed, at most `columns - 1` characters; 0 columns count as 80.
 * `Reading initrd [######....]  60% of 1 GiB`; a narrow terminal gets no bar, or the percentage
 * alone.
 */
export function progressLine({ label, done, total }: Progress, columns: number): string {
  const room = (columns > 0 ? columns : USUAL_WIDTH) - MARGIN;
  if (total === null || total <= 0) return `${label} ${humanSize(done)}`.slice(0, room);
  const ratio = Math.min(1, Math.max(0, done / total));
  const percent = `${Math.floor(ratio * 100)}%`.padStart(4);
  const rest = `${percent} of ${humanSize(total)}`;
  const barRoom = room - `${label} [] ${rest}`.length;
  if (barRoom >= BAR_MIN) return `${label} ${bar(ratio, Math.min(barRoom, BAR_MAX))} ${rest}`;
  const short = `${label} ${percent}`;
  return short.length <= room ? short : percent.replace(/^ +/, "").slice(0, room);
}

/** Overwrites a line of `length` characters and leaves the cursor where it began. */
export function eraseLine(length: number): string {
  return `\r${" ".repeat(length)}\r`;
}
