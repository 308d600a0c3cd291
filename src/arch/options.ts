/**
 * The registry of architecture-specific options: one line for each architecture. Every start reads
 * the option table, `-h` and `-S` too; so this file imports neither image types nor a purgatory.
 */

import { X86_64_OPTIONS } from "./x86-64/options.ts";

/** In kexec-tools' order. */
export const ARCH_OPTIONS = [...X86_64_OPTIONS] as const;
