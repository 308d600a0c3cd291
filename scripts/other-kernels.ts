/** Kernels of other Debians than this machine's, for virtual machines that load them. */

import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { ensureFiles } from "./debian.ts";
import { refreshSuite } from "./debian-suite.ts";

/** The oldest that Debian still has, and the newest. */
export const OTHER_KERNELS = ["oldest", "newest"] as const;
export type OtherKernel = (typeof OTHER_KERNELS)[number];

interface Place {
  readonly suite: string;
  /** The package's name, of which the release is the rest. */
  readonly names: string;
  readonly prefix: string;
  readonly vmlinuz: string;
}

const PLACES: Readonly<Record<OtherKernel, Place>> = {
  oldest: {
    suite: "bullseye",
    names: "^linux-image-5\\.10\\.0-[0-9]+-amd64$",
    prefix: "linux-image-",
    vmlinuz: "**/boot/vmlinuz-*",
  },
  newest: {
    suite: "sid",
    // Since 6.19 linux-image-VERSION has no files but those of its documentation.
    names: "^linux-binary-[0-9.]+(\\+deb[0-9]+)?-amd64$",
    prefix: "linux-binary-",
    vmlinuz: "**/modules/*/vmlinuz",
  },
};

/** A kernel, and its release as `uname -r` says it. @throws Problem */
export function ensureOtherKernel(
  which: OtherKernel,
  say: (line: string) => void,
): { readonly release: string; readonly vmlinuz: string } {
  const { suite, names, prefix, vmlinuz } = PLACES[which];
  const wanted = {
    title: `the kernel of Debian ${suite}`,
    ...{ names, suite, folder: join(cacheFolder("linux"), suite), files: { vmlinuz } },
  };
  const { name, path } = ensureFiles(wanted, say, () => refreshSuite(suite, say));
  return { release: name.slice(prefix.length), vmlinuz: path("vmlinuz") };
}
