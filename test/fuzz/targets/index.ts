/** All that is fuzzed: every parser that reads what others wrote. */

import type { Target } from "../target.ts";
import { COMMAND_LINES } from "./command-lines.ts";
import { CORES } from "./cores.ts";
import { FACTS } from "./facts.ts";
import { IMAGES } from "./images.ts";
import { PURGATORY } from "./purgatory.ts";
import { UNPACKED } from "./unpacked.ts";
import { WRAPPERS } from "./wrappers.ts";
import { XEN } from "./xen.ts";

export const TARGETS: readonly Target[] = [
  ...IMAGES,
  ...UNPACKED,
  ...WRAPPERS,
  ...CORES,
  ...FACTS,
  ...COMMAND_LINES,
  ...PURGATORY,
  ...XEN,
];
