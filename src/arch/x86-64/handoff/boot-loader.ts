/** The boot loader's name and version in multiboot information and in ELF boot notes. */

import { version } from "../../../../package.json" with { type: "json" };

export const BOOT_LOADER = { name: "onekexec", version } as const;
