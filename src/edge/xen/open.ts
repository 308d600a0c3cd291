/**
 * Opens Xen's calls: through libxenctrl if a usable one is installed, else through the privcmd
 * device. Called in a PV dom0 only; on other machines no library is searched for.
 */

import { existsSync } from "node:fs";
import { ExitStatus, KexecError } from "../../core/error.ts";
import type { XenRequest } from "../../model/request.ts";
import { Errno } from "../ffi/errno.ts";
import { strerror } from "../ffi/libc.ts";
import { type OpenedLibrary, openLibrary } from "../ffi/library.ts";
import { attempt, pseudoFiles } from "../files/read-pseudo-files.ts";
import type { XenCalls } from "./calls.ts";
import { xenDirect } from "./hypercalls.ts";
import { xenctrlNames } from "./library-names.ts";
import { missingFunctions, openXenctrl } from "./libxenctrl.ts";
import { type NoPrivcmd, openPrivcmd, PRIVCMD_PATHS, type Privcmd } from "./privcmd.ts";

/** The calls that `openXen` needs of the machine; tests pass their own. */
export interface XenAccess {
  openLibrary(name: string): OpenedLibrary;
  openPrivcmd(): Privcmd | NoPrivcmd;
  /** The text of /etc/ld.so.cache, a byte string; null where it cannot be read. */
  loaderCache(): string | null;
}

export const xenAccess: XenAccess = {
  openLibrary,
  openPrivcmd,
  loaderCache: () => attempt([], () => pseudoFiles("/").optionalText("/etc/ld.so.cache")),
};

/** Neither libxenctrl nor the privcmd device can be opened, so no hypercall was made. */
export class XenUnavailable extends KexecError {
  /** The reason without its context, such as `No such file or directory`. */
  readonly why: string;

  constructor(message: string, hint: string, why: string) {
    super({ code: "xen.open", message, hint, exitStatus: ExitStatus.failed });
    this.why = why;
  }
}

export interface OpenedXen {
  readonly calls: XenCalls;
  /** One line for each attempt before the one that succeeded, for `-d`. */
  readonly tried: readonly string[];
}

/** Xen's calls through the library, or the reason why it cannot be used. */
function tryLibrary(name: string, access: XenAccess): XenCalls | string {
  const library = access.openLibrary(name);
  if ("failure" in library) return whyNotOpened(name, library.failure);
  const missing = missingFunctions(library);
  if (missing.length > 0) {
    return `${name} is no libxenctrl of Xen 4.4 or later: it lacks ${missing.join(", ")}`;
  }
  const opened = openXenctrl(library);
  if (typeof opened !== "number") return opened;
  return `${name}: xc_interface_open failed: ${strerror(-opened)}`;
}

/** The loader's text begins with the library that it could not load: `name`, or one that `name`
 * depends on. The message begins with `name` in both cases. */
function whyNotOpened(name: string, failure: string): string {
  if (failure.startsWith(`${name}:`)) return failure;
  return `${name} cannot be loaded: ${failure}`;
}

/** A hint for a privcmd device that cannot be opened: run as root, or load the kernel module. */
export function privcmdAdvice({ path, errno }: NoPrivcmd): string {
  if (errno === Errno.EACCES || errno === Errno.EPERM) return "Run kexec as root.";
  const missing = !PRIVCMD_PATHS.some((one) => existsSync(one));
  return missing
    ? `There is no ${path}: the module xen-privcmd creates it. Try: modprobe xen-privcmd`
    : `${path} exists but cannot be opened. Try: modprobe -r xen-privcmd; modprobe xen-privcmd`;
}

function openDevice(access: XenAccess): XenCalls {
  const privcmd = access.openPrivcmd();
  if ("hypercall" in privcmd) return xenDirect(privcmd);
  const why = strerror(privcmd.errno);
  throw new XenUnavailable(`cannot open ${privcmd.path}: ${why}`, privcmdAdvice(privcmd), why);
}

/** Xen's calls through the library of --xen-library. @throws XenUnavailable where it cannot be
 * used: nothing else is tried */
function openNamed(name: string, access: XenAccess): XenCalls {
  const calls = tryLibrary(name, access);
  if (typeof calls !== "string") return calls;
  const hint = "Without --xen-library, kexec searches for libxenctrl, and works without it too.";
  throw new XenUnavailable(`--xen-library: ${calls}`, hint, calls);
}

/**
 * Opens Xen's calls as `request` says.
 * @param version of the running hypervisor, `4.17`; null if unknown
 * @throws XenUnavailable where neither a library nor the device can be used, or where that of
 *   --xen-library or --xen-direct cannot
 */
export function openXen(
  request: XenRequest,
  version: string | null,
  access: XenAccess = xenAccess,
): OpenedXen {
  if (request.library !== null) {
    return { calls: openNamed(request.library, access), tried: ["--xen-library was given"] };
  }
  if (request.direct) {
    return { calls: openDevice(access), tried: ["--xen-direct was given: no library was tried"] };
  }
  const tried: string[] = [];
  for (const name of xenctrlNames(version, access.loaderCache())) {
    const calls = tryLibrary(name, access);
    if (typeof calls !== "string") return { calls, tried };
    tried.push(calls);
  }
  return { calls: openDevice(access), tried };
}
