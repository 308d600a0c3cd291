/**
 * The other half of sealed.test.ts: its attacks work on a file that was built without the flags
 * that seal ours, so that they are known to be attacks; and the attacks that cannot be closed,
 * which README tells of, are still open. Where one of these fails, Bun has changed: change README.
 */

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEXEC, makeScratch, ROOT, run } from "./built-file.ts";
import { BUN_OPTIONS_FORMS, optionsText } from "./bun-options.ts";
import { plantHostileDirectory } from "./hostile-directory.ts";
import { pathsLookedUp } from "./paths-looked-up.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const mark = join(scratch, "mark");
const hostile = plantHostileDirectory(join(scratch, "hostile"), mark);
beforeEach(() => hostile.reset());
const cwd = hostile.path;

/** Builds `source` with none of our flags. */
function buildUnsealed(source: string, name: string): string {
  const output = join(scratch, name);
  const command = ["build", "--compile", source, "--outfile", output];
  execFileSync(process.execPath, command, { cwd: ROOT, stdio: "pipe" });
  return output;
}

const unsealed = buildUnsealed(join(ROOT, "src/main.ts"), "kexec");

/** What an attack did to `-v` of the unsealed file: marks, files, and other output. */
function effectsOn(env: Record<string, string>, place: string): string[] {
  const { stdout, stderr } = run([unsealed, "-v"], { cwd: place, env });
  const printed = stderr === "" && /^kexec-tools \S+ \(onekexec \S+\)\n$/.test(stdout);
  return [...hostile.effects(), ...(printed ? [] : ["output"])];
}

describe("a file built without the flags", () => {
  test("is the same program", () => {
    expect(effectsOn({}, "/")).toEqual([]);
  });

  test("runs what bunfig.toml of the working directory names", () => {
    expect(effectsOn({}, cwd)).toContain(mark);
  });

  test("looks into the working directory", () => {
    const trace = join(scratch, "trace");
    run(["strace", "-f", "-o", trace, "-e", "trace=%file", unsealed, "-v"], { cwd });
    const inside = pathsLookedUp(trace).filter((p) => p.startsWith(cwd) || !p.startsWith("/"));
    expect(inside.join(" ")).toContain("bunfig.toml");
    expect(inside.join(" ")).toContain(".env");
  });

  // From a directory without bunfig.toml, whose mark would be taken for that of BUN_OPTIONS.
  test.each(BUN_OPTIONS_FORMS.filter(({ live }) => live).map(optionsText))(
    "obeys BUN_OPTIONS=%s",
    (text) => {
      for (const name of ["bunfig.toml", ".env", ".env.local", ".env.development"]) {
        rmSync(join(cwd, name), { force: true });
      }
      const effects = effectsOn({ BUN_OPTIONS: text.replaceAll("DIRECTORY", cwd) }, cwd);
      expect(effects).not.toEqual([]);
    },
  );
});

test("the runtime's own dlopen takes a library from the working directory", () => {
  const source = join(scratch, "control.ts");
  const name = "libonekexec-control.so";
  const open = `dlopen("${name}", { no_such_function: {} })`;
  writeFileSync(source, `import { dlopen } from "bun:ffi";\ntry { ${open} } catch {}\n`);
  run([buildUnsealed(source, "control")], { cwd });
  expect(hostile.effects()).toContain(mark);
});

describe("what README says cannot be closed", () => {
  // Never with -e or a file's name: a file that were closed would take them for kexec's.
  test("BUN_BE_BUN makes the file the bare runtime", () => {
    const { stdout } = run([KEXEC, "--version"], { env: { BUN_BE_BUN: "1" } });
    expect(stdout).toBe(`${Bun.version}\n`);
  });

  test("BUN_INSPECT_PRELOAD runs code", () => {
    const { status } = run([KEXEC, "-v"], { env: { BUN_INSPECT_PRELOAD: join(cwd, "evil.js") } });
    expect(status).toBe(0);
    expect(hostile.effects()).toContain(mark);
  });

  test("BUN_INSPECT opens a debugger's socket", async () => {
    // The socket is opened beside the program, which must not end before that: it waits for input.
    const waiting = Bun.spawn([KEXEC, "-c", "-l", "--dry-run", "/dev/stdin"], {
      env: { BUN_INSPECT: `ws+unix://${cwd}/socket` },
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const deadline = performance.now() + 20_000;
      while (hostile.effects().length === 0 && performance.now() < deadline) await Bun.sleep(20);
      expect(hostile.effects()).toEqual(["socket"]);
    } finally {
      waiting.kill("SIGKILL");
      await waiting.exited;
    }
  });

  test("BUN_JSC_* sets the engine's options", () => {
    const { stderr, status } = run([KEXEC, "-v"], { env: { BUN_JSC_useJIT: "evil" } });
    expect(stderr).toContain("invalid JSC environment variable");
    expect(status).toBe(1);
  });

  test.each(["BUN_BYTECODE_ORDER_OUT", "BUN_BYTECODE_DIGEST_OUT"])("%s writes a file", (name) => {
    run([KEXEC, "-v"], { env: { [name]: join(cwd, "written") } });
    expect(hostile.effects()).toEqual(["written"]);
  });

  test("MIMALLOC_VERBOSE prints", () => {
    const { stderr } = run([KEXEC, "-v"], { env: { MIMALLOC_VERBOSE: "1" } });
    expect(stderr).toContain("mimalloc");
  });
});
