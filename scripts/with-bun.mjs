/**
 * Runs a script of this project by Bun, on a machine that has only Node.js and npm:
 *
 *     node scripts/with-bun.mjs scripts/build.ts --force
 *
 * Finds Bun of exactly the version below, or installs it from npm into the cache directory;
 * installs the packages of bun.lock where node_modules is not theirs; then runs the script in the
 * project's directory and ends with its status. Needs no network when everything is there, and
 * changes nothing outside the cache directory and node_modules.
 */

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { constants, homedir } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const BUN_VERSION = "1.4.5";
const NODE_MAJOR = 18;
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "onekexec");
const BUN_HOME = join(CACHE, `bun-${BUN_VERSION}`);
const NODE_MODULES = join(ROOT, "node_modules");
/** Says for which lock file node_modules was made. */
const STAMP = join(NODE_MODULES, ".onekexec-packages");

class Failure extends Error {}

function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a command to its end; throws a Failure with its output where it fails. */
function must(step, command, options = {}) {
  const [program, ...words] = command;
  const result = spawnSync(program, words, { encoding: "utf8", ...options });
  if (result.status === 0) return;
  const reason =
    result.error?.message ??
    (result.signal ? `killed by ${result.signal}` : `exit status ${result.status}`);
  throw new Failure(
    [
      `${step}: failed`,
      `  command: ${command.join(" ")}`,
      `  in:      ${options.cwd ?? process.cwd()}`,
      `  reason:  ${reason}`,
      `${result.stdout ?? ""}${result.stderr ?? ""}`.trimEnd(),
    ].join("\n"),
  );
}

/** True where this file runs and is the Bun that we want. */
function isOurBun(path) {
  const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8", cwd: "/" });
  return status === 0 && stdout.trim() === BUN_VERSION;
}

function exists(path) {
  return fs.existsSync(path);
}

/** Where a folder that npm filled may have Bun: the platform's package, and what postinstall
 * makes. */
function bunsIn(folder) {
  const packages = join(folder, "node_modules");
  const scope = join(packages, "@oven");
  const platforms = exists(scope) ? fs.readdirSync(scope).sort() : [];
  return [
    ...platforms.map((name) => join(scope, name, "bin", "bun")),
    join(packages, "bun", "bin", "bun.exe"),
  ];
}

function findBun() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [
    join(NODE_MODULES, ".bin", "bun"),
    ...folders.map((folder) => join(folder, "bun")),
    ...bunsIn(BUN_HOME),
  ];
  return candidates.find((path) => exists(path) && isOurBun(path));
}

/** npm itself: the one that started this, where one did. */
function npmCommand() {
  const started = process.env.npm_execpath ?? "";
  return basename(started) === "npm-cli.js" ? [process.execPath, started] : ["npm"];
}

/**
 * Installs Bun into the cache directory, complete or not at all. The platform's package holds the
 * executable, so no install script is needed, and npm's settings about scripts do not matter; where
 * that one does not run, bun's own script gets its chance.
 */
function installBun() {
  const step = `Installing Bun ${BUN_VERSION} from npm into ${BUN_HOME}`;
  say(`${step} (once)`);
  fs.mkdirSync(CACHE, { recursive: true });
  removeAbandoned();
  const folder = fs.mkdtempSync(`${BUN_HOME}.new-`);
  try {
    fs.writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", folder];
    // Without a network npm would try for minutes before it says so.
    flags.push("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000");
    const command = [...npmCommand(), "install", ...flags, `bun@${BUN_VERSION}`];
    must(step, command, { cwd: folder });
    if (!bunsIn(folder).some((path) => exists(path) && isOurBun(path))) {
      must(step, [process.execPath, join("node_modules", "bun", "install.js")], { cwd: folder });
    }
    if (!bunsIn(folder).some((path) => exists(path) && isOurBun(path))) {
      throw new Failure(
        `${step}: failed\n  reason:  npm installed no Bun that runs on this machine ` +
          `(${process.platform} ${process.arch})`,
      );
    }
    putInPlace(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Deletes what an install that was killed left behind. */
function removeAbandoned() {
  const hourAgo = Date.now() - 3_600_000;
  for (const name of fs.readdirSync(CACHE)) {
    const path = join(CACHE, name);
    if (!path.startsWith(`${BUN_HOME}.new-`) || fs.statSync(path).mtimeMs > hourAgo) continue;
    fs.rmSync(path, { recursive: true, force: true });
  }
}

/** Renames the new folder to its place; what another run put there meanwhile stays if it works. */
function putInPlace(folder) {
  if (bunsIn(BUN_HOME).some((path) => exists(path) && isOurBun(path))) return;
  const old = `${folder}.old`;
  if (exists(BUN_HOME)) fs.renameSync(BUN_HOME, old);
  fs.renameSync(folder, BUN_HOME);
  fs.rmSync(old, { recursive: true, force: true });
}

function packagesWanted() {
  const read = (name) => fs.readFileSync(join(ROOT, name), "utf8");
  const { dependencies, devDependencies } = JSON.parse(read("package.json"));
  const wanted = [process.platform, process.arch, dependencies, devDependencies, read("bun.lock")];
  return `${createHash("sha256").update(JSON.stringify(wanted)).digest("hex")}\n`;
}

function installPackages(bun) {
  const wanted = packagesWanted();
  if (exists(STAMP) && fs.readFileSync(STAMP, "utf8") === wanted) return;
  const step = "Installing the packages of bun.lock into node_modules";
  say(step);
  fs.rmSync(STAMP, { force: true });
  must(step, [bun, "install", "--frozen-lockfile"], { cwd: ROOT });
  fs.writeFileSync(STAMP, wanted);
}

/** Runs the script; signals to us are for it, and its end is ours. */
function runScript(bun, words) {
  const child = spawn(bun, words, { cwd: ROOT, stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  // The terminal sends this one to both; we wait for what the script makes of it.
  process.on("SIGINT", () => {});
  child.on("error", (error) => fail(new Failure(`${bun} ${words.join(" ")}: ${error.message}`)));
  child.on("exit", (status, signal) => {
    process.exit(signal === null ? status : 128 + (constants.signals[signal] ?? 0));
  });
}

function fail(error) {
  if (!(error instanceof Failure)) throw error;
  say(error.message);
  process.exit(1);
}

function main() {
  const words = process.argv.slice(2);
  if (words.length === 0) throw new Failure("usage: node scripts/with-bun.mjs SCRIPT [ARGUMENTS]");
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
    throw new Failure(`Node.js ${NODE_MAJOR} or newer is needed; this is ${process.version}`);
  }
  if (findBun() === undefined) installBun();
  const bun = findBun();
  if (bun === undefined) throw new Failure(`Bun ${BUN_VERSION} was in ${BUN_HOME} and is gone`);
  installPackages(bun);
  runScript(bun, words);
}

try {
  main();
} catch (error) {
  fail(error);
}
