/** The real world of vmcore-dmesg. */

import { openCore, writeLog } from "./files/read-core.ts";

export const realCoreWorld = { open: openCore, write: writeLog };
