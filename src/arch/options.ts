/**
 * The options that only some architectures have: one line an architecture. `-h` and `-S` read the
 * option table, so that this registry imports neither image types nor a purgatory.
 */

import { X86_64_OPTIONS } from "./x86-64/options.ts";

/** In kexec-tools' order. */
export const ARCH_OPTIONS = [...X86_64_OPTIONS] as const;
