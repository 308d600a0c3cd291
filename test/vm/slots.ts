/** How many virtual machines run at the same time in this process: each keeps a core busy. */

import { slots } from "../slots.ts";

export const inSlot = slots(Math.max(1, Number(process.env.ONEKEXEC_VMS ?? 2) || 1));
