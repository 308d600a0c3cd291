/** THE table of purposes: one file each, one line here. */

import type { ImagePurpose } from "../../model/purpose.ts";
import { crash } from "./crash.ts";
import { liveUpdate, normal } from "./normal.ts";
import { preserveContext } from "./preserve-context.ts";
import type { Purpose } from "./purpose.ts";

const PURPOSES: Readonly<Record<ImagePurpose, Purpose>> = {
  normal,
  crash,
  "preserve-context": preserveContext,
  "live-update": liveUpdate,
};

/** The purpose with this name. */
export const purposeOf = (name: ImagePurpose): Purpose => PURPOSES[name];
