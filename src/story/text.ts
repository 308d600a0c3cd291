/** `-h`, `-v`, and the usage after a bad command line. */

import { usageText } from "../cli/usage.ts";
import { versionLine } from "../cli/version.ts";
import type { TextRequest } from "../model/request.ts";
import type { Console } from "../model/world.ts";

/** Prints a version, or the complaint on stderr and then the usage on stdout, as kexec-tools does.
 * Returns the exit status. */
export async function printText(
  request: TextRequest,
  { console }: { readonly console: Console },
): Promise<number> {
  const { action, complaint, exitStatus } = request;
  if (action === "version") {
    console.stdout(`${versionLine()}\n`);
    return exitStatus;
  }
  const { imageTypes } = await import("../arch/index.ts");
  if (complaint !== "") console.stderr(`${complaint}\n`);
  console.stdout(usageText(imageTypes()));
  return exitStatus;
}
