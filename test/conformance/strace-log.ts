/** Reads what strace wrote: one value for each system call that matters here. */

export interface KexecSegment {
  readonly buf: bigint;
  readonly bufsz: bigint;
  readonly mem: bigint;
  readonly memsz: bigint;
}

export type Call =
  | {
      readonly name: "kexec_load";
      readonly entry: bigint;
      readonly segments: readonly KexecSegment[];
      readonly flags: bigint;
      readonly result: string;
    }
  | {
      readonly name: "kexec_file_load";
      /** The file behind the descriptor; null for -1. */
      readonly kernel: string | null;
      readonly initrd: string | null;
      /** A byte string with its NUL; null for a null pointer. */
      readonly commandLine: string | null;
      /** Of the command line, as it was said. */
      readonly length: number;
      readonly flags: bigint;
      readonly result: string;
    }
  | { readonly name: "sync"; readonly result: string }
  | { readonly name: "reboot" | "execve"; readonly words: string; readonly result: string };

/** Undoes C's quoting of a string. */
export function unquote(quoted: string): string {
  if (!/^".*"$/s.test(quoted)) throw new Error(`strace cut a text short: ${quoted}`);
  const letters: Record<string, string> = {
    n: "\n",
    t: "\t",
    r: "\r",
    v: "\v",
    f: "\f",
    '"': '"',
    "\\": "\\",
  };
  return quoted
    .slice(1, -1)
    .replace(/\\([0-7]{1,3}|.)/gs, (_, code: string) =>
      /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : (letters[code] ?? code),
    );
}

/** `3</path>`, `-1`, `5</memfd:kernel>(deleted)` */
function fileOf(descriptor: string): string | null {
  if (descriptor === "-1") return null;
  const path = /^\d+<(.*)>(?:\(deleted\))?$/s.exec(descriptor)?.[1];
  if (path === undefined) throw new Error(`not a descriptor with a path: ${descriptor}`);
  return path;
}

/** `0x3e0000|0x1` */
const number = (text = ""): bigint =>
  text.split("|").reduce((sum, part) => sum | BigInt(part === "NULL" ? 0 : part), 0n);

function kexecLoad(words: string, result: string): Call {
  const parts = /^(\w+), (\d+), (\[.*\]|NULL|0x\w+), ([\w|]+)$/s.exec(words);
  if (parts === null) throw new Error(`kexec_load(${words})`);
  const segments = [
    ...(parts[3] ?? "").matchAll(/\{buf=(\w+), bufsz=(\w+), mem=(\w+), memsz=(\w+)\}/g),
  ].map(([, buf, bufsz, mem, memsz]) => ({
    buf: number(buf),
    bufsz: number(bufsz),
    mem: number(mem),
    memsz: number(memsz),
  }));
  // An array that the call did not look at is an address, as is one that strace could not read.
  if (parts[3]?.startsWith("[") && segments.length !== Number(parts[2])) {
    throw new Error(`kexec_load(${words})`);
  }
  return { name: "kexec_load", entry: number(parts[1]), segments, flags: number(parts[4]), result };
}

const DESCRIPTOR = String.raw`(-1|\d+<[^>]*>(?:\(deleted\))?)`;
const TEXT = String.raw`(NULL|".*"(?:\.\.\.)?)`;
/** Kernel, initrd, length, command line and flags. */
const FILE_LOAD = new RegExp(
  String.raw`^${DESCRIPTOR}, ${DESCRIPTOR}, (\d+), ${TEXT}, ([\w|]+)$`,
  "s",
);

function kexecFileLoad(words: string, result: string): Call {
  const parts = FILE_LOAD.exec(words);
  if (parts === null) throw new Error(`kexec_file_load(${words})`);
  const [, kernel = "", initrd = "", length, text = ""] = parts;
  return {
    name: "kexec_file_load",
    kernel: fileOf(kernel),
    initrd: fileOf(initrd),
    commandLine: text === "NULL" ? null : unquote(text),
    length: Number(length),
    flags: number(parts[5]),
    result,
  };
}

/** Lines as they would be if no other thread's had come between the halves of a call. */
function wholeLines(log: string): string[] {
  const begun = new Map<string, string>();
  const lines: string[] = [];
  for (const line of log.split("\n")) {
    // Signals, ends of threads, and threads that were let go.
    if (line === "" || /^\d+ +(?:\+\+\+ |--- |\?\?\?\()/.test(line)) continue;
    const pid = line.split(" ", 1)[0] ?? "";
    const start = /^(.*) <unfinished \.\.\.>$/s.exec(line)?.[1];
    if (start !== undefined) {
      begun.set(pid, start);
      continue;
    }
    const rest = /^\d+ +<\.\.\. \w+ resumed>(.*)$/s.exec(line)?.[1];
    lines.push(rest === undefined ? line : `${begun.get(pid) ?? ""}${rest}`);
    begun.delete(pid);
  }
  return lines;
}

/**
 * The calls of a log of `strace -f -qq -yy -v -X raw`, in order, without ioctl and without the
 * execve that started the program.
 * @param ignored another system call that the log has and that is left out
 * @throws Error on a line that it does not understand
 */
export function readLog(log: string, ignored = "ioctl"): Call[] {
  const calls: Call[] = [];
  let execs = 0;
  for (const line of wholeLines(log)) {
    const parts = /^\d+ +(\w+)\((.*)\) += (.*)$/s.exec(line);
    if (parts === null) throw new Error(`strace wrote: ${line}`);
    const [, name, words = "", outcome = ""] = parts;
    const result = outcome.replace(/ \(.*/s, "");
    if (name === "kexec_load") calls.push(kexecLoad(words, result));
    else if (name === "kexec_file_load") calls.push(kexecFileLoad(words, result));
    else if (name === "sync") calls.push({ name, result });
    else if (name === "reboot") calls.push({ name, words, result });
    else if (name === "execve") {
      execs += 1;
      if (execs > 1) calls.push({ name, words, result });
    } else if (name !== "ioctl" && name !== ignored) throw new Error(`strace wrote: ${line}`);
  }
  return calls;
}
