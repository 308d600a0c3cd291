/** elf-x86: 32-bit ELF executables, entered in 32-bit mode. */

import { EM_386 } from "../../../core/elf.ts";
import { elfExecutable } from "./elf-executable.ts";

export const elfX86 = elfExecutable("elf-x86", 32, [EM_386]);
