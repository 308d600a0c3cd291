/** Images that run only at the addresses that they name. */

import { hex } from "../core/address.ts";
import { fail } from "../core/error.ts";
import type { NoRoom } from "../core/no-room.ts";
import { rangeOf, showRange } from "../core/range.ts";

/**
 * In kexec-tools' words, for an image whose places are not free.
 * @param who what of the image names them: `its ELF headers say`
 * @param noRoom of the first that is not free
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
      `The image runs only at ${places.map((p) => showRange(rangeOf(p))).join(", ")}, which ` +
      `${who}, and not all of that is free RAM.\n${noRoom.found}`.replace(/\n$/, ""),
  });
}
