/** What the init script of a VM wrote on the serial port, as values. Pure. */

/** One line and when it ended, in seconds since QEMU started. */
export interface SerialLine {
  readonly seconds: number;
  readonly text: string;
}

/** A command that the case ran with `run NAME COMMAND...`. */
export interface Run {
  /** null where it did not come back: it started another kernel, or the machine died. */
  readonly status: number | null;
  /** Both streams, lines as they came. */
  readonly output: string;
  readonly begin: number;
  readonly end: number | null;
}

/** The commands of the case by name. */
export function runsOf(lines: readonly SerialLine[]): Map<string, Run> {
  const runs = new Map<string, Run>();
  let open: { name: string; begin: number; output: string[] } | null = null;
  const close = (status: number | null, end: number | null) => {
    if (open === null) return;
    const { name, begin, output } = open;
    const text = output.map((line) => `${line}\n`).join("");
    runs.set(name, { status, output: text, begin, end });
    open = null;
  };
  for (const { text, seconds } of lines) {
    const begin = /^BEGIN (\S+)$/.exec(text);
    const end = /^END (\S+) rc=(\d+)$/.exec(text);
    if (begin?.[1] !== undefined) {
      close(null, null);
      open = { name: begin[1], begin: seconds, output: [] };
    } else if (end !== null) close(Number(end[2]), seconds);
    else if (open !== null && text.startsWith("| ")) open.output.push(text.slice(2));
  }
  close(null, null);
  return runs;
}

/** What a kernel said of itself, by key; of a key that came more than once, several lines. */
export type Sight = ReadonlyMap<string, string>;

/** What the first or second kernel said; empty where it did not say everything. */
export function sightOf(who: "FIRST" | "SECOND", lines: readonly SerialLine[]): Sight {
  const sight = new Map<string, string>();
  const pattern = new RegExp(`^${who} ([a-z0-9-]+)=(.*)$`);
  for (const { text } of lines) {
    const [, key, value] = pattern.exec(text) ?? [];
    if (key === undefined || value === undefined) continue;
    const before = sight.get(key);
    sight.set(key, before === undefined ? value : `${before}\n${value}`);
  }
  return sight.has("end") ? sight : new Map();
}

/** What a kernel says when it gives up; and Xen, which says the same of itself and of its dom0. */
const SIGNS_OF_PANIC = [
  /Kernel panic - not syncing|Run \/init as init process failed|-- System halted/,
  /^\(XEN\) Panic on CPU \d+:/,
  /^\(XEN\) Hardware Dom\d+ crashed: (?!Executing)/,
];

/**
 * The line in which a kernel or Xen says that it gives up, if one does. Where a second kernel came
 * up afterwards, that was what a crash kernel is for.
 */
export function panicIn(lines: readonly SerialLine[]): string | undefined {
  const up = lines.findLastIndex(({ text }) => text.startsWith("SECOND end="));
  const last = lines.slice(up + 1);
  return last.find(({ text }) => SIGNS_OF_PANIC.some((sign) => sign.test(text)))?.text;
}

const XEN = "(XEN) ";

/**
 * The serial log of a machine with Xen, each line whole. Xen and its dom0 share the port, and Xen
 * does not wait for the end of the dom0's line: what it says then is taken out, and the line goes
 * on with what follows. So a case cannot print Xen's own words.
 */
export function untangled(lines: readonly SerialLine[]): SerialLine[] {
  const whole: SerialLine[] = [];
  let head = "";
  let headAt = 0;
  for (const { seconds, text } of lines) {
    const at = text.indexOf(XEN);
    if (at < 0) {
      whole.push({ seconds, text: head + text });
      head = "";
      continue;
    }
    whole.push({ seconds, text: text.slice(at) });
    if (at > 0) headAt = seconds;
    head += text.slice(0, at);
  }
  return head === "" ? whole : [...whole, { seconds: headAt, text: head }];
}
