/**
 * Files out of Debian's packages that must not be installed here: downloaded by apt-get and
 * unpacked into the cache directory. Once there they are used again, checked by their digests.
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fillFolder } from "./cache.ts";
import { Problem, runCommand } from "./command.ts";
import { suiteOptions } from "./debian-suite.ts";

/** What is wanted of a package. */
export interface WantedFiles {
  /** In words, as in "Look for Debian's kernel 6.1". */
  readonly title: string;
  /** What the package's name matches, for apt-cache; of several the newest is taken. */
  readonly names: string;
  /** Another Debian than this machine's, e.g. `sid`. */
  readonly suite?: string;
  /** Where the files are kept; they are the only ones there. */
  readonly folder: string;
  /** By the name that each is kept under: where the package has it, "**" being any folders. What
   * the package compresses (.xz, .gz) is kept decompressed. */
  readonly files: Readonly<Record<string, string>>;
}

export interface PackageFiles {
  /** Of the package, such as `linux-image-6.1.0-56-amd64`. */
  readonly name: string;
  readonly version: string;
  /** Where a file of the package is kept. */
  readonly path: (file: string) => string;
}

/** Of the package; and the digests of the files by their names. */
interface Stamp {
  readonly package: string;
  readonly version: string;
  readonly files: Readonly<Record<string, string>>;
}

const DECOMPRESSORS: Readonly<Record<string, string>> = { ".xz": "xz", ".gz": "gzip" };

function sha256OfFile(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

function readStamp(folder: string): Partial<Stamp> {
  try {
    return JSON.parse(readFileSync(join(folder, "stamp.json"), "utf8"));
  } catch {
    // Nothing there, or cut short: the package is fetched.
    return {};
  }
}

/** What an earlier run left, if it is all that is wanted and still what it was. */
function cachedFiles({ folder, files }: WantedFiles): PackageFiles | null {
  const { package: name, version, files: digests } = readStamp(folder);
  if (name === undefined || version === undefined || digests === undefined) return null;
  const path = (file: string) => join(folder, file);
  const isGood = (file: string) =>
    existsSync(path(file)) && sha256OfFile(path(file)) === digests[file];
  return Object.keys(files).every(isGood) ? { name, version, path } : null;
}

const aptOptions = (suite: string | undefined): string[] =>
  suite === undefined ? [] : suiteOptions(suite);

/** The newest package that Debian offers; null where it offers none. */
function newestPackage({ title, names, suite }: WantedFiles): string | null {
  const command = ["apt-cache", ...aptOptions(suite), "search", "--names-only", names];
  const found = runCommand(`Look for ${title}`, command).split("\n");
  const packages = found.map((line) => line.split(" ")[0] ?? "");
  return packages.sort(new Intl.Collator("en", { numeric: true }).compare).at(-1) || null;
}

/** Moves what is at `from` to `to`, decompressed. */
function keep(step: string, from: string, to: string): void {
  const ending = Object.keys(DECOMPRESSORS).find((one) => from.endsWith(one)) ?? "";
  renameSync(from, `${to}${ending}`);
  const decompressor = DECOMPRESSORS[ending];
  if (decompressor !== undefined) runCommand(step, [decompressor, "-d", `${to}${ending}`]);
}

/** Puts the wanted files and a stamp into `folder`. */
function unpack(wanted: WantedFiles, name: string, deb: string, folder: string): void {
  const step = `Unpack ${name}`;
  const tree = join(folder, "tree");
  mkdirSync(tree);
  const script =
    'set -o pipefail; deb=$1 tree=$2; shift 2; dpkg-deb --fsys-tarfile "$deb" | ' +
    'tar -x -C "$tree" --wildcards "$@"';
  const places = Object.values(wanted.files);
  runCommand(step, ["bash", "-c", script, "unpack", deb, tree, ...places]);
  const found = readdirSync(tree, { recursive: true, encoding: "utf8" });
  for (const [file, place] of Object.entries(wanted.files)) {
    const glob = new Bun.Glob(place);
    const from = found.find((path) => glob.match(path));
    if (from === undefined) throw new Problem({ step, reason: `it has no ${place}` });
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    keep(step, join(tree, from), join(folder, file));
  }
  rmSync(tree, { recursive: true });
  const digests = Object.keys(wanted.files).map((file) => [file, sha256OfFile(join(folder, file))]);
  const stamp: Stamp = {
    package: name,
    version: runCommand(step, ["dpkg-deb", "--field", deb, "Version"]).trim(),
    files: Object.fromEntries(digests),
  };
  writeFileSync(join(folder, "stamp.json"), `${JSON.stringify(stamp)}\n`);
}

function download(wanted: WantedFiles, name: string, folder: string): void {
  const step = `Download ${name}`;
  const advice = "look at the network, and try 'apt-get update'";
  runCommand(step, ["apt-get", "-q", ...aptOptions(wanted.suite), "download", name], {
    cwd: folder,
    advice,
  });
  const deb = readdirSync(folder).find((file) => file.endsWith(".deb"));
  if (deb === undefined) throw new Problem({ step, reason: "apt-get left no .deb file", advice });
  unpack(wanted, name, join(folder, deb), folder);
  rmSync(join(folder, deb));
}

/**
 * The files, from the cache directory or from Debian's newest package; `refresh` fetches the
 * package lists, and is called where they do not lead to one.
 * @throws Problem
 */
export function ensureFiles(
  wanted: WantedFiles,
  say: (line: string) => void,
  refresh: () => void,
): PackageFiles {
  const cached = cachedFiles(wanted);
  if (cached !== null) return cached;
  let name = newestPackage(wanted);
  if (name === null) {
    refresh();
    name = newestPackage(wanted);
  }
  if (name === null) {
    throw new Problem({
      step: `Look for ${wanted.title}`,
      reason: `no package is named ${wanted.names}`,
      advice: "Debian 12 has it: put its archive, security too, into /etc/apt/sources.list",
    });
  }
  say(`Download ${name}`);
  const fetch = (newest: string) =>
    fillFolder(wanted.folder, (fresh) => download(wanted, newest, fresh));
  try {
    fetch(name);
  } catch (error) {
    // Old lists name packages that are gone; with new ones a second failure is final.
    if (!(error instanceof Problem) || process.getuid?.() !== 0) throw error;
    refresh();
    fetch(newestPackage(wanted) ?? name);
  }
  const fetched = cachedFiles(wanted);
  if (fetched !== null) return fetched;
  const reason = `${wanted.folder} is not what was written there`;
  throw new Problem({ step: `Unpack ${name}`, reason });
}
