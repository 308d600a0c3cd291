/**
 * Makes the packages that a distribution ships, from dist/kexec:
 *
 *     bun scripts/package.ts [--quick]
 *
 * dist/onekexec_VERSION_amd64.deb, dist/onekexec-VERSION-x86_64.tar.xz (unpacked at /), and the
 * bill of materials dist/onekexec.spdx.json. The same commit gives the same bytes. --quick does not
 * compress: for tests.
 */

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { humanSize } from "../src/core/address.ts";
import { buildKexec } from "./build.ts";
import { Problem, problemText, runCommand } from "./command.ts";
import { ensurePackages } from "./machine.ts";
import {
  type Content,
  commonContents,
  debianContents,
  type Release,
  tarballContents,
} from "./packaging/contents.ts";
import { changelogText, controlFiles } from "./packaging/debian.ts";
import { sbom } from "./packaging/sbom.ts";

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");

export interface Packages {
  readonly deb: string;
  readonly tarball: string;
  readonly sbom: string;
}

/** SOURCE_DATE_EPOCH, or the time of the last commit. @throws Problem */
function epoch(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  const step = "Find the time of the last commit";
  const words = ["git", "-C", ROOT, "log", "-1", "--format=%ct"];
  const text = given ?? runCommand(step, words).trim();
  if (/^[0-9]+$/.test(text)) return Number(text);
  throw new Problem({ step, reason: `it is "${text}"`, advice: "set SOURCE_DATE_EPOCH" });
}

function put(root: string, content: Content): void {
  const place = join(root, content.path);
  mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
  if ("target" in content) {
    symlinkSync(content.target, place);
    return;
  }
  writeFileSync(place, content.bytes);
  chmodSync(place, content.mode);
}

/** `md5sums` of the control archive. */
function md5sums(contents: readonly Content[]): Content {
  const lines = contents.flatMap((content) => {
    if (!("bytes" in content)) return [];
    const digest = new Bun.CryptoHasher("md5").update(content.bytes).digest("hex");
    return [`${digest}  ${content.path.slice(1)}\n`];
  });
  return { path: "/md5sums", mode: 0o644, bytes: new TextEncoder().encode(lines.join("")) };
}

/** tar's options for an archive that says nothing of who made it where and when. */
const tarFlags = ({ epoch }: Release): string[] => [
  "--format=gnu",
  "--owner=root:0",
  "--group=root:0",
  `--mtime=@${epoch}`,
];

/**
 * Files and links alone are members: where a system has a link, such as `/usr/sbin`, GNU tar puts a
 * folder in its place if the archive has a member for the folder.
 */
function makeTarball(
  root: string,
  target: string,
  contents: readonly Content[],
  { release, quick }: { readonly release: Release; readonly quick: boolean },
): void {
  // One thread: with more the bytes would depend on how many there are.
  const xz = `--use-compress-program=xz ${quick ? "-0" : "-6"} -T1`;
  const members = contents.map(({ path }) => path.slice(1)).sort();
  const flags = [...tarFlags(release), "--no-recursion", xz];
  runCommand("Pack the tarball", ["tar", "-C", root, ...flags, "-cf", target, "--", ...members]);
}

function makeDeb(root: string, target: string, release: Release, quick: boolean): void {
  const compression = quick ? ["-Znone"] : ["-Zxz", "--threads-max=1"];
  const flags = ["--root-owner-group", ...compression];
  runCommand("Pack the Debian package", ["dpkg-deb", ...flags, "--build", root, target], {
    env: { SOURCE_DATE_EPOCH: String(release.epoch) },
  });
}

/** Every file and folder gets the release's time, as dpkg-deb keeps what is older than it. */
function setTimes(root: string, { epoch }: Release): void {
  const paths = [...new Bun.Glob("**").scanSync({ cwd: root, dot: true, onlyFiles: false })];
  for (const path of ["", ...paths]) {
    try {
      utimesSync(join(root, path), epoch, epoch);
    } catch (error) {
      // A link that leads out of the tree.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

function inNewRoot(work: (root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "onekexec-package-"));
  const before = process.umask(0o022);
  try {
    chmodSync(root, 0o755);
    work(root);
  } finally {
    process.umask(before);
    rmSync(root, { recursive: true, force: true });
  }
}

/** Makes all packages in `folder`. @throws Problem */
export function makePackages(folder: string, quick: boolean): Packages {
  ensurePackages(["package"], (line) => process.stderr.write(`${line}\n`));
  const { path, sha256 } = buildKexec();
  const { version, dependencies } = packageJson;
  const release: Release = { version, epoch: epoch() };
  const created = `${new Date(release.epoch * 1000).toISOString().slice(0, 19)}Z`;
  const materials = sbom({ version, created, sha256, dependencies, runtimeVersion: Bun.version });
  const common = commonContents(new Uint8Array(readFileSync(path)), materials, release);
  const packages = {
    deb: join(folder, `onekexec_${version}_amd64.deb`),
    tarball: join(folder, `onekexec-${version}-x86_64.tar.xz`),
    sbom: join(folder, "onekexec.spdx.json"),
  };
  writeFileSync(packages.sbom, materials);
  inNewRoot((root) => {
    const contents = [...common, ...tarballContents()];
    for (const content of contents) put(root, content);
    makeTarball(root, packages.tarball, contents, { release, quick });
  });
  inNewRoot((root) => {
    const contents = [...common, ...debianContents(changelogText(release))];
    for (const content of contents) put(root, content);
    for (const content of [...controlFiles(release, contents), md5sums(contents)]) {
      put(join(root, "DEBIAN"), content);
    }
    setTimes(root, release);
    makeDeb(root, packages.deb, release, quick);
  });
  return packages;
}

if (import.meta.main) {
  try {
    for (const path of Object.values(makePackages(DIST, process.argv.includes("--quick")))) {
      process.stdout.write(`${path}: ${humanSize(Bun.file(path).size)}\n`);
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    process.stderr.write(`${problemText(error)}\n`);
    process.exit(1);
  }
}
