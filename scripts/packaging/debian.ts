/** The Debian package's control files. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Content, Release } from "./contents.ts";

const FILES = join(import.meta.dir, "files/debian");

/** Whoever ships the package puts himself here. */
const MAINTAINER = "The onekexec maintainers <maintainers@onekexec.invalid>";
/** The release of kexec-tools whose options and rules onekexec has, with Debian's epoch. */
const KEXEC_TOOLS = "1:2.0.32";

/** KiB, as dpkg counts: each file rounded up. */
function installedSize(contents: readonly Content[]): number {
  const sizes = contents.map((one) => ("bytes" in one ? Math.ceil(one.bytes.length / 1024) : 1));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** `control`. [debian policy 5] */
export function controlText({ version }: Release, contents: readonly Content[]): string {
  return `Package: onekexec
Version: ${version}
Architecture: amd64
Maintainer: ${MAINTAINER}
Installed-Size: ${installedSize(contents)}
Depends: libc6 (>= 2.17), sysvinit-utils (>= 3.05-4~) | lsb-base, usr-is-merged | usrmerge
Suggests: kdump-tools
Provides: kexec-tools (= ${KEXEC_TOOLS})
Conflicts: kexec-tools, molly-guard (<< 0.8.4~)
Replaces: kexec-tools
Section: admin
Priority: optional
Description: start another Linux kernel from the running one
 kexec boots a new kernel without firmware and boot loader, and loads the crash
 kernel that saves a dump when the running one dies. This is a drop-in for
 kexec-tools as one self-contained executable: the same file serves machines
 with and without Xen. It explains failures, and can show what it would do.
`;
}

/** The files of the package's control archive, besides \`md5sums\`. */
export function controlFiles(release: Release, contents: readonly Content[]): Content[] {
  const script = (name: string): Content => ({
    path: `/${name}`,
    mode: 0o755,
    bytes: new Uint8Array(readFileSync(join(FILES, name))),
  });
  const text = (name: string, content: string): Content => ({
    path: `/${name}`,
    mode: 0o644,
    bytes: new TextEncoder().encode(content),
  });
  const configuration = contents.map(({ path }) => path).filter((path) => path.startsWith("/etc/"));
  return [
    text("control", controlText(release, contents)),
    text("conffiles", `${configuration.join("\n")}\n`),
    script("preinst"),
    script("postinst"),
    script("postrm"),
  ];
}

/** `Sat, 31 Jan 2026 12:00:00 +0000` */
function emailDate({ epoch }: Release): string {
  return new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
}

/** debian/changelog, of one entry. [debian policy 4.4] */
export function changelogText(release: Release): string {
  return `onekexec (${release.version}) unstable; urgency=medium

  * See CHANGELOG.md in the sources.

 -- ${MAINTAINER}  ${emailDate(release)}
`;
}
