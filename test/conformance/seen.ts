/** What two kexecs did, in a form in which they can be compared: without addresses of this run. */

import type { Outcome } from "./harness.ts";
import type { Call, KexecSegment } from "./strace-log.ts";

/** A piece that both kexecs load as it is, known by its size. */
export interface KnownPiece {
  readonly name: string;
  /** Bytes that are copied. */
  readonly size: number;
}

export interface Seen {
  readonly status: number | null | string;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly calls: readonly string[];
}

const USAGE = "Usage: kexec [OPTION]... [kernel]";
const PAGE = 0x1000n;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** What is wrong with a load, whoever made it; empty where it is sound. */
function faults(entry: bigint, segments: readonly KexecSegment[]): string[] {
  const wrong: string[] = [];
  const holders = segments.filter(({ mem, memsz }) => entry >= mem && entry < mem + memsz);
  if (holders.length !== 1) wrong.push(`entry ${hex(entry)} is in ${holders.length} segments`);
  if (segments.length > 16) wrong.push(`${segments.length} segments`);
  segments.forEach(({ bufsz, mem, memsz }, i) => {
    if (mem % PAGE !== 0n || memsz % PAGE !== 0n) wrong.push(`segment ${i} is not whole pages`);
    if (bufsz > memsz) wrong.push(`segment ${i} has more bytes than memory`);
    const before = segments[i - 1];
    if (before !== undefined && mem < before.mem + before.memsz) {
      wrong.push(`segment ${i} is not behind segment ${i - 1}`);
    }
  });
  return wrong;
}

function describeLoad(call: Call & { name: "kexec_load" }, pieces: readonly KnownPiece[]): string {
  const { entry, segments, flags, result } = call;
  const head = `kexec_load flags ${hex(flags)}`;
  if (segments.length === 0) return `${head} entry ${hex(entry)} nothing -> ${result}`;
  const loaded = pieces.map(({ name, size }) => {
    const found = segments.filter(({ bufsz }) => bufsz === BigInt(size));
    const where = found.map(({ memsz }) => `${size} bytes in ${hex(memsz)}`);
    return `${name}: ${where.join(" and ")}`.trim();
  });
  return `${[head, ...loaded, ...faults(entry, segments)].join("; ")} -> ${result}`;
}

function describeCall(call: Call, pieces: readonly KnownPiece[]): string {
  switch (call.name) {
    case "kexec_load":
      return describeLoad(call, pieces);
    case "kexec_file_load": {
      const { kernel, initrd, commandLine, length, flags, result } = call;
      const text = JSON.stringify(commandLine);
      const files = `${kernel} ${initrd} ${text} (${length})`;
      return `kexec_file_load ${files} flags ${hex(flags)} -> ${result}`;
    }
    case "sync":
      return "sync";
    default:
      return `${call.name} ${call.words} -> ${call.result}`;
  }
}

/** A text that ends without a newline keeps that as a line of its own kind. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  const last = lines.pop();
  return last === "" ? lines : [...lines, `${last}(no newline)`];
}

/** A usage text becomes one line: its words are nobody's contract, and have tests of their own. */
function withoutUsage(text: string): string[] {
  const lines = linesOf(text);
  const at = lines.indexOf(USAGE);
  return at < 0 ? lines : [...lines.slice(0, Math.max(0, at - 1)), "(usage)"];
}

/** The lines of a failed kexec_load: addresses differ from run to run; their form does not. */
function withoutAddresses(lines: readonly string[]): string[] {
  const dump = /^segment\[\d+\]\.(?:buf {2}|bufsz|mem {2}|memsz) = (?:0x[0-9a-f]+|\(nil\))$/;
  const kept = lines.filter((line) => !dump.test(line));
  const dumped = lines.length - kept.length;
  const count = kept.map((line) => /^nr_segments = (\d+)$/.exec(line)?.[1]).find(Boolean);
  if (dumped !== 4 * Number(count ?? 0)) return [...lines];
  return kept.map((line) =>
    line
      .replace(/^entry {7}= 0x[0-9a-f]+ /, "entry       = ADDRESS ")
      .replace(/^nr_segments = \d+$/, "nr_segments = N and their lines"),
  );
}

export function seen(outcome: Outcome, pieces: readonly KnownPiece[] = []): Seen {
  return {
    status: outcome.status ?? outcome.signal,
    stdout: withoutUsage(outcome.stdout),
    stderr: withoutAddresses(linesOf(outcome.stderr)),
    calls: outcome.calls.map((call) => describeCall(call, pieces)),
  };
}

/** At most this many lines of ours may follow kexec-tools' own. */
export const OWN_LINES = 3;

/** `ours` without the lines that may follow kexec-tools' own on stderr. */
export function withoutOwnLines(theirs: Seen, ours: Seen): Seen {
  const own = ours.stderr.length - theirs.stderr.length;
  if (own < 0 || own > OWN_LINES) return ours;
  return { ...ours, stderr: ours.stderr.slice(0, theirs.stderr.length) };
}
