/** Debian's systemd-boot stub, of which unified kernel images are made; never installed here. */

import { cacheFolder } from "./cache.ts";
import { ensureFiles } from "./debian.ts";

/** The EFI program that the parts of a unified kernel image are added to. */
export interface SystemdStub {
  /** Of Debian's package: `252.39-1~deb12u2`. */
  readonly version: string;
  readonly path: string;
}

/**
 * The stub, from the cache directory or from Debian; `refresh` fetches the package lists, and is
 * called where they do not lead to one.
 * @throws Problem
 */
export function ensureSystemdStub(say: (line: string) => void, refresh: () => void): SystemdStub {
  const wanted = {
    title: "Debian's systemd-boot stub",
    names: "^systemd-boot-efi$",
    folder: cacheFolder("systemd-stub"),
    files: { stub: "**/linuxx64.efi.stub" },
  };
  const { version, path } = ensureFiles(wanted, say, refresh);
  return { version, path: path("stub") };
}
