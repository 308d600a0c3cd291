/** The functions through which vmcore-dmesg reads a core file and writes the log. */

import { openCore, writeLog } from "./files/read-core.ts";

export const realCoreWorld = { open: openCore, write: writeLog };
