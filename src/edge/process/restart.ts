/**
 * Starting this program again with a smaller runtime. The runtime reserves 1 GiB of address space
 * for code that it compiles, when it starts and only then; where a limit forbids that, it goes on
 * without a compiler, which bun:ffi cannot do without.
 */

import { bytesOf } from "../../core/bytes.ts";
import { KexecError } from "../../core/error.ts";
import { libc } from "../ffi/libc.ts";
import { memoryLimits } from "../ffi/memory-limits.ts";
import type { Arguments } from "./arguments.ts";

/** Of JavaScriptCore: how many bytes are reserved. What does not fit is interpreted. */
const RESERVATION = "BUN_JSC_jitMemoryReservationSize";
const ENOUGH = 8 << 20;

/** The words as the runtime passes them on; null where one is not UTF-8, and would change. */
function asTexts(words: readonly string[]): string[] | null {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return words.map((word) => decoder.decode(bytesOf(word)));
  } catch {
    return null;
  }
}

/** In development the runtime runs a script, which is its first word. */
function scriptOf([, script = ""]: readonly string[]): string[] {
  return script.startsWith("/$bunfs/") ? [] : [script];
}

/**
 * Starts this program again where memory is limited and the C library cannot be called for it. Does
 * nothing elsewhere, or where that did not help: whoever calls the library then learns why.
 *
 * To be called before anything is printed, opened or done.
 */
export function restartIfLimited({ argv0, argv }: Arguments): void {
  if (process.env[RESERVATION] !== undefined || memoryLimits().length === 0) return;
  try {
    libc();
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    const words = asTexts([argv0, ...argv]);
    const { execve } = process;
    if (words === null || execve === undefined) return;
    const [name = "", ...own] = words;
    const environment = { ...process.env, [RESERVATION]: `${ENOUGH}` };
    // It throws where it fails; then this process goes on as it is.
    try {
      execve(process.execPath, [name, ...scriptOf(process.argv), ...own], environment);
    } catch (refused) {
      if (!(refused instanceof Error) || !("code" in refused)) throw refused;
    }
  }
}
