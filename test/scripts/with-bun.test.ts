/** The start of every npm script: arguments and the end of the script are passed on. */

import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "onekexec-with-bun-"));
afterAll(() => rmSync(folder, { recursive: true }));

function withBun(script: string, ...words: readonly string[]) {
  const path = join(folder, "script.ts");
  writeFileSync(path, script);
  const command = [join(ROOT, "scripts/with-bun.mjs"), path, ...words];
  return spawnSync("node", command, { cwd: folder, encoding: "utf8" });
}

describe("with-bun", () => {
  test("runs a script by this Bun, in the project, with its arguments", () => {
    const script =
      "const seen = [Bun.version, process.cwd(), process.argv.slice(2)];" +
      "process.stdout.write(JSON.stringify(seen));";
    const { status, stdout, stderr } = withBun(script, "a b", "--flag", "", "*");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual(["1.4.5", join(ROOT), ["a b", "--flag", "", "*"]]);
  });

  test("ends as the script ended", () => {
    expect(withBun("process.exit(7);").status).toBe(7);
    expect(withBun('process.kill(process.pid, "SIGKILL");').status).toBe(128 + 9);
  });

  test("without a script says how it is used", () => {
    const command = [join(ROOT, "scripts/with-bun.mjs")];
    const { status, stderr } = spawnSync("node", command, { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toBe("usage: node scripts/with-bun.mjs SCRIPT [ARGUMENTS]\n");
  });
});
