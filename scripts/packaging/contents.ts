/**
 * What a package installs: paths, modes and bytes. The Debian package and the tarball have the same
 * below `/usr`; the init scripts are configuration files in one and examples in the other.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { imageTypes } from "../../src/arch/index.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completions.ts";
import { copyrightText } from "./copyright.ts";
import { manPage } from "./man.ts";

const FILES = join(import.meta.dir, "files");

/** A file or a link; owned by root. */
export type Content =
  | { readonly path: string; readonly mode: number; readonly bytes: Uint8Array }
  | { readonly path: string; readonly target: string };

export interface Release {
  readonly version: string;
  /** Seconds since 1970: the last commit's. */
  readonly epoch: number;
}

/** `2026-01-31` */
export const dateOf = ({ epoch }: Release): string =>
  new Date(epoch * 1000).toISOString().slice(0, 10);

function text(path: string, content: string, mode = 0o644): Content {
  return { path, mode, bytes: new TextEncoder().encode(content) };
}

function copied(path: string, from: string, mode = 0o644): Content {
  return { path, mode, bytes: new Uint8Array(readFileSync(join(FILES, from))) };
}

/** As Debian's policy wants it; zlib writes no time and no name. */
function compressed(path: string, content: string): Content {
  const bytes = new Uint8Array(gzipSync(content, { level: 9 }));
  return { path: `${path}.gz`, mode: 0o644, bytes };
}

/** The hand-written pages have places for the release. */
function page(name: string, release: Release): string {
  const source = readFileSync(join(FILES, "man", name), "utf8");
  return source.replaceAll("@VERSION@", release.version).replaceAll("@DATE@", dateOf(release));
}

function manPages(release: Release): Content[] {
  const { version } = release;
  const types = imageTypes("x86_64");
  const folder = "/usr/share/man/man8";
  return [
    compressed(`${folder}/kexec.8`, manPage(types, { version, date: dateOf(release) })),
    compressed(`${folder}/vmcore-dmesg.8`, page("vmcore-dmesg.8", release)),
    compressed(`${folder}/coldreboot.8`, page("coldreboot.8", release)),
    compressed(`${folder}/kexec-load-kernel.8`, page("kexec-load-kernel.8", release)),
  ];
}

function completions(): Content[] {
  const types = imageTypes("x86_64").map(({ name }) => name);
  return [
    text("/usr/share/bash-completion/completions/kexec", bashCompletion(types)),
    text("/usr/share/zsh/vendor-completions/_kexec", zshCompletion(types)),
    text("/usr/share/fish/vendor_completions.d/kexec.fish", fishCompletion(types)),
  ];
}

function initScripts(folder: string): Content[] {
  const names = ["kexec", "kexec-load"];
  return names.map((name) => copied(`${folder}/${name}`, `init.d/${name}`, 0o755));
}

/**
 * What every package has. All of it lies below `/usr`, by the names without aliases: `/sbin` is a
 * link to `/usr/sbin` on a system with a merged `/usr`. [Debian DEP 17]
 */
export function commonContents(kexec: Uint8Array, sbom: string, release: Release): Content[] {
  return [
    { path: "/usr/sbin/kexec", mode: 0o755, bytes: kexec },
    { path: "/usr/sbin/vmcore-dmesg", target: "kexec" },
    copied("/usr/sbin/coldreboot", "coldreboot", 0o755),
    copied("/usr/sbin/kexec-load-kernel", "kexec-load-kernel", 0o755),
    copied("/usr/share/onekexec/default", "default/kexec"),
    // Made from the init script of this name, systemd's unit would start a kernel too early.
    { path: "/usr/lib/systemd/system/kexec.service", target: "/dev/null" },
    copied("/usr/lib/dracut/modules.d/99kexec/module-setup.sh", "dracut/module-setup.sh", 0o755),
    copied("/usr/share/initramfs-tools/hooks/kexec", "initramfs-tools/kexec", 0o755),
    ...manPages(release),
    ...completions(),
    text("/usr/share/doc/onekexec/copyright", copyrightText()),
    text("/usr/share/doc/onekexec/onekexec.spdx.json", sbom),
  ];
}

/** Of the tarball alone: it must write nothing outside `/usr`. */
export function tarballContents(): Content[] {
  return initScripts("/usr/share/onekexec/init.d");
}

/** Of the Debian package alone. */
export function debianContents(changelog: string): Content[] {
  return [
    ...initScripts("/etc/init.d"),
    compressed("/usr/share/doc/onekexec/changelog", changelog),
    copied("/usr/share/lintian/overrides/onekexec", "debian/lintian-overrides"),
  ];
}
