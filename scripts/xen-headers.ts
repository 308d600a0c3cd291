/**
 * The headers of Xen and of libxenctrl, from Debian's package for developers: tests compare our
 * tables and stand-ins with them. The package is never installed: it brings the library's name
 * without a version, which no other machine has.
 */

import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { ensureFiles } from "./debian.ts";

/** xenctrl.h and Xen's public headers, with all that they include. */
const HEADERS = [
  ...["xenctrl.h", "xenctrl_compat.h", "xentoollog.h"],
  ...["xen/xen.h", "xen/xen-compat.h", "xen/arch-x86/xen.h", "xen/arch-x86/xen-x86_64.h"],
  ...["xen/arch-x86/xen-mca.h", "xen/arch-x86/hvm/save.h", "xen/domctl.h", "xen/sysctl.h"],
  ...["xen/event_channel.h", "xen/grant_table.h", "xen/memory.h", "xen/physdev.h"],
  ...["xen/version.h", "xen/features.h", "xen/sched.h", "xen/kexec.h", "xen/platform.h"],
  ...["xen/hvm/save.h", "xen/hvm/dm_op.h", "xen/hvm/params.h", "xen/hvm/hvm_op.h"],
  ...["xen/trace.h", "xen/xsm/flask_op.h", "xen/foreign/x86_32.h", "xen/foreign/x86_64.h"],
];

/**
 * The folder to include them from: the cache directory's, or made of Debian's package; `refresh`
 * fetches the package lists.
 * @throws Problem
 */
export function ensureXenHeaders(say: (line: string) => void, refresh: () => void): string {
  const folder = join(cacheFolder("xen"), "headers");
  const files = Object.fromEntries(HEADERS.map((name) => [name, `**/usr/include/${name}`]));
  ensureFiles({ title: "Xen's headers", names: "^libxen-dev$", folder, files }, say, refresh);
  return folder;
}
