/**
 * What a load does grows with the number of memory ranges and CPUs, not with its square. Counts
 * hold it to that, which are the same on every machine, where times are not: how often each line
 * of src/ runs, which bun's coverage says, with some number of each thing, and with four times as
 * many.
 */

import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const FEW = 1024;
const MANY = 4 * FEW;
/** All lines together grow by 4. One that sorts compares n log n times: here 4.8 times as often. */
const ALL_LINES = 4.5;
const ONE_LINE = 5.5;
/** Lines that run less often than this grow with something else. */
const OFTEN = MANY / 8;

/** Made files are many, and should be no writes to a disk. */
const TEMPORARY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const folder = mkdtempSync(join(TEMPORARY, "onekexec-growth-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Counts = ReadonlyMap<string, number>;

/** How often each line of src/ ran, by `FILE:LINE`. */
function countsWith(count: number): Counts {
  const directory = join(folder, `${count}`);
  const flags = ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${directory}`];
  const { exitCode, stderr } = Bun.spawnSync(
    [process.execPath, "test", ...flags, "--timeout=60000", "./test/growth/work.ts"],
    { cwd: ROOT, env: { ...process.env, GROWTH_COUNT: `${count}`, TMPDIR: folder } },
  );
  if (exitCode !== 0) throw new Error(stderr.toString());
  const counts = new Map<string, number>();
  for (const file of readFileSync(join(directory, "lcov.info"), "utf8").split("end_of_record\n")) {
    const [, path = ""] = /^SF:(src\/.*)$/m.exec(file) ?? [];
    if (path === "") continue;
    for (const [, line, times] of file.matchAll(/^DA:(\d+),(\d+)$/gm)) {
      counts.set(`${path}:${line}`, Number(times));
    }
  }
  return counts;
}

const total = (counts: Counts): number => [...counts.values()].reduce((sum, n) => sum + n, 0);

test("four times as many ranges and CPUs are four times the work", () => {
  const [few, many] = [countsWith(FEW), countsWith(MANY)];
  const steep = [...many]
    .filter(([line, times]) => times > OFTEN && times > ONE_LINE * (few.get(line) ?? 0))
    .map(([line, times]) => `${line} runs ${few.get(line)} times, then ${times} times`);
  expect(steep).toEqual([]);
  expect(total(many)).toBeLessThan(ALL_LINES * total(few));
  // The counts are of the work, and not only of what is loaded.
  expect(total(many)).toBeGreaterThan(100 * MANY);
}, 120_000);
