import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { realConsole } from "../../src/edge/console.ts";
import { makeRealWorld } from "../../src/edge/real-world.ts";
import { type Ran, removeScratch, runScript, scratch } from "./run-script.ts";

afterAll(removeScratch);

/** Runs the program from its sources. No test passes arguments that exec or shut down. */
function kexec(args: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
  return runScript(`import "@src/main.ts";`, { args, env });
}

const NO_JIT = { BUN_JSC_useJIT: "0" };

describe("where the system forbids what bun:ffi needs", () => {
  test.each(["-v", "-h"])("%s works, because it does not use bun:ffi", (option) => {
    const ran = kexec([option], NO_JIT);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toStartWith("kexec-tools 2.0.");
  });

  test("a load fails with the cause and the remedy", () => {
    const kernel = join(scratch(), "kernel");
    writeFileSync(kernel, "no kernel");
    const ran = kexec(["-c", "-l", kernel], NO_JIT);
    expect(ran.status).toBe(255);
    expect(ran.stderr).toStartWith("cannot make system calls: BUN_JSC_useJIT in the environment");
    expect(ran.stderr).toContain("Unset BUN_JSC_useJIT");
    expect(ran.stderr.trim().split("\n").length).toBeLessThanOrEqual(4);
  });
});

describe("a missing kernel: kexec-tools' message and status", () => {
  const kernel = "/nonexistent/vmlinuz";
  const stderr = `Cannot open \`${kernel}': No such file or directory\n`;
  test.each(["-c", "-s", "-a"])("%s", (method) => {
    expect(kexec([method, "-l", kernel])).toEqual({ status: 1, stdout: "", stderr });
  });
});

describe("a bug of ours", () => {
  /** A part of the runtime that does something else than it should. */
  const broken = (args: readonly string[]): Ran =>
    runScript(
      `const { startsWith } = String.prototype;
       String.prototype.startsWith = function (text) {
         if (text === "/$bunfs/") throw new TypeError("broken");
         return startsWith.call(this, text);
       };
       await import("@src/main.ts");`,
      { args },
    );

  test("is one line, and exit status 255", () => {
    const ran = broken(["-l"]);
    expect(ran.status).toBe(255);
    expect(ran.stderr).toMatch(/^kexec: internal error: [^\n]+\n$/);
  });

  test.each(["-d", "--debug"])("%s adds the stack trace", (option) => {
    const ran = broken(["-l", option]);
    expect(ran.status).toBe(255);
    expect(ran.stderr).toMatch(/^kexec: internal error: [^\n]+\n/);
    expect(ran.stderr).toContain("arguments.ts");
  });
});

describe("makeRealWorld", () => {
  const made = makeRealWorld(realConsole(), {
    xen: { library: null, direct: false },
    crashFacts: false,
  });

  test("reads the facts once", async () => {
    const world = await made;
    expect(await world.readFacts()).toBe(await world.readFacts());
    expect(world.backend()).toBe(world.backend());
  });

  test("has an RNG seed for the next kernel from getrandom", async () => {
    const facts = await (await made).readFacts();
    expect(facts.rngSeed?.length).toBe(32);
  });

  test("draws a random number of 64 bits, another one each time", async () => {
    const world = await made;
    const drawn = await Promise.all(
      Array.from({ length: 50 }, async () => (await world.random()) ?? -1n),
    );
    expect(new Set(drawn).size).toBe(50);
    expect(drawn.every((number) => number >= 0n && number < 1n << 64n)).toBe(true);
    expect(drawn.some((number) => number >> 56n > 0n)).toBe(true);
  });

  test("returns environment variables as bytes", () => {
    const ran = runScript(
      `import { realConsole } from "@src/edge/console.ts";
       const { env, stdout } = realConsole();
       stdout(env("ONEKEXEC_TEST") + "|" + env("ONEKEXEC_NONE"));`,
      { under: ["bash", "-c", `ONEKEXEC_TEST=$'b\\xe4r' exec "$0" "$@"`] },
    );
    expect(ran.stdout).toBe("b\xe4r|undefined");
  });
});
