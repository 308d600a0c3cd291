/** How much memory a load takes that hands over nothing, and one of a small kernel. */

import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { CLEAN_ENVIRONMENT, FACTS, KEXEC, makeScratch, plantKernel } from "./built-file.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const MIB = 2 ** 20;
const MINUTE = 60_000;

/** The most memory of a dry run, in bytes, and what it says. */
function dryRun(method: string, file: string) {
  const words = [method, "-l", "--dry-run", `--facts=${FACTS}`, file];
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync([KEXEC, ...words], {
    env: CLEAN_ENVIRONMENT,
    timeout: MINUTE,
  });
  return { exitCode, stderr: stderr.toString("latin1"), memory: resourceUsage.maxRSS };
}

const smallKernel = dryRun("-c", plantKernel(scratch));

/** 1 GiB of zeros, packed. */
function bomb(packer: string): string {
  const path = join(scratch, `bomb-${packer.split(" ", 1)[0]}`);
  const script = `head -c 1073741824 /dev/zero | ${packer} >"$0"`;
  expect(spawnSync("/bin/sh", ["-c", script, path]).status).toBe(0);
  expect(statSync(path).size).toBeLessThan(6 * MIB);
  return path;
}

describe("1 GiB of zeros in a compressed file is refused in little memory", () => {
  test.each(["gzip -1", "zstd -q -1 -c", "lz4 -q -c"])(
    "%s",
    (packer) => {
      const file = bomb(packer);
      for (const method of ["-c", "-s"]) {
        const { exitCode, stderr, memory } = dryRun(method, file);
        expect(stderr).toStartWith(
          `Cannot determine the file type of ${file}\nOf what the file expands to: `,
        );
        expect(exitCode).toBe(255);
        expect(memory).toBeLessThan(smallKernel.memory + 64 * MIB);
      }
    },
    2 * MINUTE,
  );
});
