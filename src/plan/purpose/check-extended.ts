/** The command line's length once parameters are added that the user did not ask for. Pure. */

import { ExitStatus, fail, KexecError } from "../../core/error.ts";

/**
 * Checks the command line with what is added to it, after the user's own passed the same check.
 * @param added by this program, or by the kernel, in bytes
 * @param check throws `image.command-line` where the whole is too long
 * @throws KexecError `plan.command-line` in kexec-tools' words
 */
export function checkExtended(added: number, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof KexecError) || error.code !== "image.command-line") throw error;
    fail({
      code: "plan.command-line",
      message: "Command line overflow",
      hint: `With the ${added} bytes that a crash kernel is told: ${error.message}.`,
      exitStatus: ExitStatus.general,
      cause: error,
    });
  }
}
