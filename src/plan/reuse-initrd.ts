/** `--reuseinitrd`, which cannot work on x86: the kernel does not report where its initrd lies. */

import { fail } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";

/**
 * Refuses `--reuseinitrd` in kexec-tools' words. [kexec-tools]
 * @throws KexecError `plan.reuse-initrd`, always
 */
export function refuseInitrdReuse({ bootCommandLine }: HostFacts): never {
  const retained = bootCommandLine?.includes("retain_initrd") ?? false;
  return fail({
    code: "plan.reuse-initrd",
    message: retained
      ? "--reuseinitrd not implemented on this architecture"
      : "unrecoverable error: current boot didn't retain the initrd for reuse.",
    hint: "Name the file: --initrd=FILE. x86 kernels do not report where their initrd lies.",
  });
}
