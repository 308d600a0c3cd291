/** What the next kernel is told of who loaded it. */

import { version } from "../../../../package.json" with { type: "json" };

export const BOOT_LOADER = { name: "onekexec", version } as const;
