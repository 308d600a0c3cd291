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

/** The line in which a kernel says that it gives up, if it does. */
export function panicIn(lines: readonly SerialLine[]): string | undefined {
  const signs = /Kernel panic - not syncing|Run \/init as init process failed|-- System halted/;
  return lines.find(({ text }) => signs.test(text))?.text;
}
