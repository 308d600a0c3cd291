/** The error of images that run only at fixed addresses. */

import { hex } from "../core/address.ts";
import { fail } from "../core/error.ts";
import type { NoRoom } from "../core/no-room.ts";
import { rangeOf, showRange } from "../core/range.ts";

/**
 * Refuses, in kexec-tools' words, an image whose fixed addresses are not free.
 * @param places the image's ranges, in bytes
 * @param who which part of the image has the addresses, e.g. `its ELF headers say`
 * @param noRoom the placer's answer for the first range that is not free
 * @throws KexecError `plan.not-ram`
 */
export function refuseFixed(
  places: readonly { readonly start: bigint; readonly size: bigint }[],
  who: string,
  noRoom: NoRoom,
): never {
  const [first] = places;
  const { start, end } = rangeOf(first ?? { start: 0n, size: 0n });
  return fail({
    code: "plan.not-ram",
    message: `Invalid memory segment ${hex(start)} - ${hex(end - 1n)}`,
    hint:
      `The image runs only at ${places.map((p) => showRange(rangeOf(p))).join(", ")}, as ` +
      `${who}, and not all of that is free RAM.\n${noRoom.found}`.replace(/\n$/, ""),
  });
}
