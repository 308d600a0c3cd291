/** The real world of vmcore-dmesg. */

import { openCore, writeLog } from "./host/read-core.ts";

export const realCoreWorld = { open: openCore, write: writeLog };
