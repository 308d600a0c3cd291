/**
 * The world as the stories see it. `main.ts` makes the real one from edge/; tests make their own.
 * All texts are byte strings.
 */

import type { Expanded } from "../core/expand.ts";
import type { Backend } from "./backend.ts";
import type { HostFacts } from "./host-facts.ts";
import type { InputFile } from "./image-type.ts";
import type { FileReference } from "./load-plan.ts";

export type InputRole = "kernel" | "initrd" | "module" | "device-tree";

/** The part of the world that every program has: what `-v` and `-h` need. */
export interface Console {
  /** As given, e.g. `/sbin/kexec`: getopt's messages begin with it. */
  readonly argv0: string;
  readonly argv: readonly string[];
  env(name: string): string | undefined;
  /** A closed pipe or a full disk on these is remembered, not thrown. */
  stdout(text: string): void;
  stderr(text: string): void;
}

export interface World extends Console {
  /** Reads the machine; slow parts only once. */
  readFacts(): HostFacts;
  /** Reads all of a file into private memory, with progress on a terminal, and its SHA-256 on the
   * way where `hash` asks for it.
   * @throws KexecError with kexec-tools' text and status for `segments` plans */
  readInput(path: string, role: InputRole, hash: boolean): InputFile;
  /** Opens a file for kexec_file_load. For an initrd, `kernel` is the path of the kernel that it is
   * for, which kexec-tools' message names.
   * @throws KexecError with kexec-tools' text and status for `file` plans */
  openInput(path: string, role: InputRole, kernel?: string): FileReference;
  /** Reads all of an opened file into private memory. @throws KexecError */
  readOpened(file: FileReference): InputFile;
  /** Puts `bytes` into a file in memory, for kexec_file_load. @throws KexecError */
  memoryFile(path: string, role: InputRole, bytes: Uint8Array): FileReference;
  /** Expands xz and lzma up to `limit` bytes by the system's library; null where it has none.
   * @throws KexecError */
  expandLzma(bytes: Uint8Array, limit: number): Expanded | null;
  /** @throws KexecError */
  readText(path: string): string;
  /** @throws KexecError */
  writeText(path: string, text: string): void;
  /** Chosen once, when first needed. @throws KexecError where no backend serves this machine */
  backend(): Backend;
  sync(): void;
  /** Takes every network interface but lo down; failures are ignored, as in kexec-tools. */
  ifdown(): void;
  /** execs `shutdown -r now`: returns only by throwing KexecError. */
  shutdown(): never;
  /** Closes what was opened. */
  close(): void;
}
