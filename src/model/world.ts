/**
 * The interface through which the stories access files, the host and the output. `main.ts` makes
 * the real one from edge/; tests make their own. All texts are byte strings.
 */

import type { HostExpand } from "../core/expand.ts";
import type { Backend } from "./backend.ts";
import type { HostFacts } from "./host-facts.ts";
import type { InputFile } from "./image-type.ts";
import type { FileReference, NotByFile } from "./load-plan.ts";

export type InputRole = "kernel" | "initrd" | "module" | "device-tree";

/** Arguments, environment and output: all that `-v` and `-h` need. */
export interface Console {
  /** As given, e.g. `/sbin/kexec`: getopt's messages begin with it. */
  readonly argv0: string;
  readonly argv: readonly string[];
  env(name: string): string | undefined;
  /** A closed pipe or a full disk on these is not thrown. */
  stdout(text: string): void;
  stderr(text: string): void;
  /** Why something of stdout is lost, in a few words; null: nothing is, or its reader has gone. */
  lostOutput(): string | null;
}

/** A file that is open. It is read once, whatever is tried with it, as a pipe can be. */
export interface Input {
  /** All of it, with progress on a terminal: in private memory, or mapped where nobody can change
   * the file without `changed` saying so. Nothing may write to it.
   * @throws KexecError with kexec-tools' text and status for `segments` plans */
  read(): InputFile;
  /** What kexec_file_load is given: the file, or a copy in memory of what the kernel could not read
   * by itself, such as a pipe.
   * @throws KexecError with kexec-tools' text and status for `file` plans */
  reference(): FileReference | NotByFile;
  /** Whether what `read` returned may have changed since, or may be about to: it must not be loaded
   * then. Never so for private memory. */
  changed(): boolean;
  /** Ends a mapping, which must not be used any more: the next `read` makes a private copy. What is
   * in private memory stays. */
  unmap(): void;
  /** Closes it, and ends a mapping. What was read into private memory, and a copy in memory,
   * stay. */
  close(): void;
}

export interface World extends Console {
  /** Reads the facts of the machine, once. To be awaited: what reads them is only then imported. */
  readFacts(): HostFacts | Promise<HostFacts>;
  /**
   * Opens a file, once for all attempts to load it.
   * @param kernel for an initrd of a `file` plan, the path of its kernel, which the messages of
   *   kexec-tools have; null: a `segments` plan
   * @throws KexecError with kexec-tools' text and status
   */
  openInput(path: string, role: InputRole, kernel: string | null): Input;
  /** Writes `bytes` to a file in memory (memfd), for kexec_file_load; or says why it cannot. */
  memoryFile(path: string, role: InputRole, bytes: Uint8Array): FileReference | NotByFile;
  /** Expands xz or lzma, up to `limit` bytes, with the system's liblzma; null where there is none.
   * @throws KexecError */
  expandLzma: HostExpand;
  /** The memory that can be allocated without killing a process, in bytes; null: unknown. */
  availableMemory(): bigint | null;
  /** A random number of 64 bits; null where the running kernel has none. */
  random(): Promise<bigint | null>;
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
