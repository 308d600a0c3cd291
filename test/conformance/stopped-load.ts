/** A kexec that is stopped right after kexec_load: what it gave to the call is in its memory. */

import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { type KexecSegment, readLog } from "./strace-log.ts";

const POLL_MS = 5;

export interface StoppedLoad {
  /** On this machine, outside the namespaces. */
  readonly pid: number;
  readonly segments: readonly KexecSegment[];
}

export class LoadNotReached extends Error {}

/** The process whose argv[0] is `program`; null while there is none. */
function processOf(program: string): number | null {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readFileSync(`/proc/${name}/cmdline`, "latin1").startsWith(`${program}\0`)) {
        return Number(name);
      }
    } catch {
      // It has ended since.
    }
  }
  return null;
}

function isStopped(pid: number): boolean {
  return /^State:\t[Tt]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
}

function readMemory(pid: number, address: bigint, size: bigint): Uint8Array {
  const bytes = new Uint8Array(Number(size));
  const fd = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (let done = 0; done < bytes.length; ) {
      const got = readSync(fd, bytes, done, bytes.length - done, address + BigInt(done));
      if (got === 0) throw new Error(`process ${pid} has no memory at 0x${address.toString(16)}`);
      done += got;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** The bytes of each segment. */
export function segmentBytes({ pid, segments }: StoppedLoad): Uint8Array[] {
  return segments.map(({ buf, bufsz }) => readMemory(pid, buf, bufsz));
}

/** A line of /proc/PID/status that has KiB, in bytes. [linux Documentation/filesystems/proc.rst] */
function memoryLine({ pid }: StoppedLoad, name: "VmHWM" | "RssAnon"): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
  return Number(kib) * 1024;
}

/** The most memory that the process had at a time, in bytes. */
export const peakMemory = (stopped: StoppedLoad): number => memoryLine(stopped, "VmHWM");

/** The memory that the process alone has: its anonymous pages, in bytes. */
export const ownMemory = (stopped: StoppedLoad): number => memoryLine(stopped, "RssAnon");

/** The segments of the call that `log` ends with; null while there is none. */
function loadIn(log: string, ignored?: string): readonly KexecSegment[] | null {
  if (!existsSync(log)) return null;
  const text = readFileSync(log, "latin1");
  if (!/ kexec_load\(.*INJECTED\)$/m.test(text)) return null;
  const call = readLog(text, ignored).at(-1);
  return call?.name === "kexec_load" ? call.segments : null;
}

/**
 * Waits until `program` is stopped after kexec_load, calls `look`, and lets it go on.
 * @throws LoadNotReached where it ends before
 */
export async function atLoad(
  program: string,
  log: string,
  child: ChildProcess,
  look: (stopped: StoppedLoad) => void,
  ignored?: string,
): Promise<void> {
  for (;;) {
    await Bun.sleep(POLL_MS);
    if (child.exitCode !== null) throw new LoadNotReached("kexec ended without kexec_load");
    const segments = loadIn(log, ignored);
    const pid = segments === null ? null : processOf(program);
    if (segments === null || pid === null || !isStopped(pid)) continue;
    try {
      look({ pid, segments });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    return;
  }
}
