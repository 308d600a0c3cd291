/** Reads what a kexec gives to kexec_load, from its memory, while it is stopped after the call. */

import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { readLog } from "./strace-log.ts";

const POLL_MS = 5;

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

/** The segments of the call that `log` ends with; null while there is none. */
function loadIn(log: string) {
  if (!existsSync(log)) return null;
  const text = readFileSync(log, "latin1");
  if (!/ kexec_load\(.*INJECTED\)$/m.test(text)) return null;
  const call = readLog(text).at(-1);
  return call?.name === "kexec_load" ? call.segments : null;
}

/**
 * Waits until `program` is stopped after kexec_load, reads its segments, and lets it go on.
 * @throws Error where it ends before
 */
export async function readSegments(
  program: string,
  log: string,
  child: ChildProcess,
): Promise<Uint8Array[]> {
  for (;;) {
    await Bun.sleep(POLL_MS);
    if (child.exitCode !== null) throw new Error("kexec ended without kexec_load");
    const segments = loadIn(log);
    const pid = segments === null ? null : processOf(program);
    if (segments === null || pid === null || !isStopped(pid)) continue;
    try {
      return segments.map(({ buf, bufsz }) => readMemory(pid, buf, bufsz));
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }
}
