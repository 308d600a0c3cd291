/**
 * Opens a way to Xen's calls: libxenctrl if there is one that is of use, else the privcmd device.
 * To be called in a PV dom0 only, once that is decided: elsewhere nobody looks for libraries.
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

/** What opening needs of the machine; tests give their own. */
export interface XenAccess {
  openLibrary(name: string): OpenedLibrary;
  openPrivcmd(): Privcmd | NoPrivcmd;
  /** The text of the loader's cache, a byte string; null where there is none. */
  loaderCache(): string | null;
}

export const xenAccess: XenAccess = {
  openLibrary,
  openPrivcmd,
  loaderCache: () => attempt([], () => pseudoFiles("/").optionalText("/etc/ld.so.cache")),
};

/** There is no way to Xen, so that nothing was asked of it. */
export class XenUnavailable extends KexecError {
  /** The reason alone, such as the C library's text. */
  readonly why: string;

  constructor(message: string, hint: string, why: string) {
    super({ code: "xen.open", message, hint, exitStatus: ExitStatus.failed });
    this.why = why;
  }
}

export interface OpenedXen {
  readonly calls: XenCalls;
  /** What was tried and what came of it, for `-d`. */
  readonly tried: readonly string[];
}

/** Why a library is of no use, or the calls that it serves. */
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

/** The loader's words begin with what it could not load, which may be what `name` needs. */
function whyNotOpened(name: string, failure: string): string {
  if (failure.startsWith(`${name}:`)) return failure;
  return `${name} cannot be loaded: ${failure}`;
}

/** The module that makes the device, and how it comes. */
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

/** The one library that the user named, and no other way. */
function openNamed(name: string, access: XenAccess): XenCalls {
  const calls = tryLibrary(name, access);
  if (typeof calls !== "string") return calls;
  const hint = "Without --xen-library, kexec searches for libxenctrl, and works without it too.";
  throw new XenUnavailable(`--xen-library: ${calls}`, hint, calls);
}

/**
 * @param version of the running hypervisor, `4.17`; null where it is not known
 * @throws XenUnavailable where neither library nor device is of use, or the library that was asked
 *   for is not
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
