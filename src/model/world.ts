/**
 * The interface through which the stories access files, the host and the output. `main.ts` makes
 * the real one from edge/; tests make their own. All texts are byte strings.
 */

import type { Expanded } from "../core/expand.ts";
import type { Backend } from "./backend.ts";
import type { HostFacts } from "./host-facts.ts";
import type { InputFile } from "./image-type.ts";
import type { FileReference } from "./load-plan.ts";

export type InputRole = "kernel" | "initrd" | "module" | "device-tree";

/** Arguments, environment and output: all that `-v` and `-h` need. */
export interface Console {
  /** As given, e.g. `/sbin/kexec`: getopt's messages begin with it. */
  readonly argv0: string;
  readonly argv: readonly string[];
  env(name: string): string | undefined;
  /** Neither function throws: a closed pipe or a full disk is recorded for the exit status. */
  stdout(text: string): void;
  stderr(text: string): void;
}

export interface World extends Console {
  /** Reads the facts of the machine; slow parts only once. */
  readFacts(): HostFacts;
  /** Reads all of a file into private memory, with progress on a terminal, and with `hash` computes
   * its SHA-256 meanwhile.
   * @throws KexecError with kexec-tools' text and status for `segments` plans */
  readInput(path: string, role: InputRole, hash: boolean): InputFile;
  /** Opens a file for kexec_file_load.
   * @param kernel for an initrd, the path of its kernel, which kexec-tools' message names
   * @throws KexecError with kexec-tools' text and status for `file` plans */
  openInput(path: string, role: InputRole, kernel?: string): FileReference;
  /** Reads all of an opened file into private memory. @throws KexecError */
  readOpened(file: FileReference): InputFile;
  /** Writes `bytes` to a file in memory (memfd), for kexec_file_load. @throws KexecError */
  memoryFile(path: string, role: InputRole, bytes: Uint8Array): FileReference;
  /** Expands xz or lzma, up to `limit` bytes, with the system's liblzma; null where there is none.
   * @throws KexecError */
  expandLzma(bytes: Uint8Array, limit: number): Expanded | null;
  /** @throws KexecError */
  readText(path: string): string;
  /** @throws KexecError */
  writeText(path: string, text: string): void;
  /** The backend, selected at the first call. @throws KexecError where none supports the machine */
  backend(): Backend;
  sync(): void;
  /** Sets every network interface but lo down; failures are ignored, as in kexec-tools. */
  ifdown(): void;
  /** Executes `shutdown -r now`, and does not return. @throws KexecError where that fails */
  shutdown(): never;
  /** Closes all open files, libraries and devices. */
  close(): void;
}
