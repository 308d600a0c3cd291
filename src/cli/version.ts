/** The version of onekexec, from package.json, the only place that has it. */

import { version } from "../../package.json" with { type: "json" };

export const VERSION: string = version;
