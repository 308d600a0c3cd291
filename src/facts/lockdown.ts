/** /sys/kernel/security/lockdown: how far the kernel is locked down. */

import { fail } from "../core/error.ts";
import type { HostFacts } from "../model/host-facts.ts";
import { quoted } from "./sysfs-number.ts";

export const LOCKDOWN = "/sys/kernel/security/lockdown";

/** What is said where the file system that has the file is not mounted. */
export const NO_SECURITYFS = "securityfs is not mounted on /sys/kernel/security.";

/**
 * The level in brackets, as in `none [integrity] confidentiality`.
 * [linux security/lockdown/lockdown.c]
 * @throws KexecError `facts.lockdown`
 */
export function parseLockdown(text: string): NonNullable<HostFacts["lockdown"]> {
  const [, choice] = /\[([^\]]*)\]/.exec(text) ?? [];
  if (choice === "none" || choice === "integrity" || choice === "confidentiality") return choice;
  return fail({
    code: "facts.lockdown",
    message: `${LOCKDOWN}: ${quoted(text)} has none of [none], [integrity], [confidentiality]`,
  });
}
