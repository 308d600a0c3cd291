/** Debian's Xen hypervisor for virtual machines; never installed here. */

import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { ensureFiles } from "./debian.ts";

const SERIES = "4.17";

export interface Xen {
  /** Of Debian's package: `4.17.7+13-g2445b30a44-0+deb12u1`. */
  readonly version: string;
  /** The hypervisor as an ELF file, which QEMU and kexec start. */
  readonly hypervisor: string;
}

/**
 * The hypervisor, from the cache directory or from Debian; `refresh` fetches the package lists, and
 * is called where they do not lead to one.
 * @throws Problem
 */
export function ensureXen(say: (line: string) => void, refresh: () => void): Xen {
  const wanted = {
    title: `Debian's Xen ${SERIES}`,
    names: `^xen-hypervisor-${SERIES.replace(".", "\\.")}-amd64$`,
    folder: join(cacheFolder("xen"), SERIES),
    files: { xen: `**/boot/xen-${SERIES}-amd64.gz` },
  };
  const { version, path } = ensureFiles(wanted, say, refresh);
  return { version, hypervisor: path("xen") };
}
