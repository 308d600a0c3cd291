/** elf-x86_64: vmlinux and other 64-bit ELF executables, entered in 64-bit mode. */

import { EM_X86_64 } from "../../../core/elf.ts";
import { elfExecutable } from "./elf-executable.ts";

export const elfX8664 = elfExecutable("elf-x86_64", 64, [EM_X86_64]);
