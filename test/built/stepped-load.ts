/** Loads during which a file is changed at one step: step-load's words and what it says. */

/** How a file is changed, by what, and which complete versions of it there are then. */
export interface Change {
  readonly name: string;
  /** Words of step-load; PROGRAM stands for step-load itself, NEW for a file with other
   * contents. */
  readonly words: readonly string[];
  readonly versions: readonly Version[];
  /** Whether the change makes a load wait or repeat, and never fail. */
  readonly isHeldOff: boolean;
}

export type Version = "old" | "new" | "longer" | "shorter";

const byCommand = (command: string) => ["-c", command];

/** Where versions are cut, and what makes one longer. */
export const SHORTER = 1_000_000;
export const MORE = "more\n";

export const CHANGES: readonly Change[] = [
  {
    name: "rewritten in place",
    words: byCommand('dd if=NEW of="$0" conv=notrunc bs=64k 2>/dev/null'),
    versions: ["old", "new"],
    isHeldOff: true,
  },
  {
    name: "appended to",
    words: byCommand('echo more >>"$0"'),
    versions: ["old", "longer"],
    isHeldOff: true,
  },
  {
    name: "truncated",
    words: byCommand(`dd if=/dev/null of="$0" bs=1 seek=${SHORTER} count=0 2>/dev/null`),
    versions: ["old", "shorter"],
    isHeldOff: true,
  },
  {
    name: "rewritten through a mapping",
    words: byCommand('PROGRAM -w "$0" NEW'),
    versions: ["old", "new"],
    isHeldOff: true,
  },
  {
    name: "rewritten through a mapping that was there before",
    words: ["-m", "NEW"],
    versions: ["old", "new"],
    isHeldOff: false,
  },
  {
    name: "truncated by opening it for reading",
    words: byCommand('PROGRAM -t "$0"'),
    versions: ["old"],
    isHeldOff: false,
  },
];

export interface Stepped {
  readonly steps: number;
  readonly loads: number;
  /** In KiB. */
  readonly anonymous: number;
  /** The change waited for the load. */
  readonly waited: boolean;
  /** null: it did not run. */
  readonly writer: number | null;
}

/** What step-load says at its end. */
export function parseStepped(text: string): Stepped {
  const number = (name: string): number =>
    Number(new RegExp(`^${name} (-?\\d+)$`, "m").exec(text)?.[1]);
  const writer = number("writer");
  return {
    steps: number("steps"),
    loads: number("loads"),
    anonymous: number("anonymous"),
    waited: number("waited") === 1,
    writer: writer < 0 ? null : writer,
  };
}

/** The words of `change`, with paths for what they stand for. */
export const wordsOf = ({ words }: Change, program: string, other: string): string[] =>
  words.map((word) => word.replace("PROGRAM", program).replace("NEW", other));

const MARK = 16;

/** The versions of a file of `size` bytes: all begin alike, and no page of one is like
 * another's. */
export function versionsOf(size: number): Record<Version, Uint8Array> {
  const version = (seed: number): Uint8Array => {
    const words = new Uint32Array(Math.ceil(size / 4));
    for (let i = 0; i < words.length; i += 1) words[i] = Math.imul(i + seed, 0x9e3779b1);
    const bytes = new Uint8Array(words.buffer, 0, size);
    bytes.fill(0x5a, 0, MARK);
    return bytes;
  };
  const old = version(1);
  return {
    old,
    new: version(0x1000_0000),
    longer: Buffer.concat([old, Buffer.from(MORE)]),
    shorter: old.subarray(0, SHORTER),
  };
}
