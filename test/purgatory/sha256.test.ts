/** The purgatories' digest is SHA-256, wherever the data lies and however long it is. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMON_FOLDER, SRC } from "../../scripts/purgatory.ts";
import { sha256 } from "../../src/core/digest.ts";

const folder = mkdtempSync(join(tmpdir(), "purgatory-sha256-"));
afterAll(() => rmSync(folder, { recursive: true }));

const HOST = `
#include <stdio.h>
#include <stdlib.h>
#include "sha256.h"
int main(int argc, char **argv) {
  static uint8_t data[1 << 20];
  uint8_t digest[32];
  (void)argc;
  if (fread(data, 1, sizeof(data), stdin) == 0) return 1;
  for (int i = 2; argv[i] != 0; i++) {
    sha256(sha256_choose(0), data + atoi(argv[1]), strtoul(argv[i], 0, 10), digest);
    fwrite(digest, 1, sizeof(digest), stdout);
  }
  return 0;
}`;

describe("sha256.c", () => {
  const data = Uint8Array.from({ length: 1 << 20 }, (_, i) => Math.imul(i, 2654435761) >>> 13);
  const lengths = [...Array(301).keys(), 4095, 4096, 65537, 999_999, 1_000_000];

  test.each([0, 1, 3])("gives SHA-256 of data at offset %d", (offset) => {
    const program = join(folder, "host");
    if (offset === 0) {
      writeFileSync(`${program}.c`, HOST);
      const sources = [`${program}.c`, join(SRC, COMMON_FOLDER, "sha256.c")];
      const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined"];
      const { exitCode, stderr } = Bun.spawnSync([
        ...["gcc", ...flags, "-fno-sanitize-recover", `-I${join(SRC, COMMON_FOLDER)}`, ...sources],
        ...["-o", program],
      ]);
      expect([exitCode, stderr.toString()]).toEqual([0, ""]);
    }
    const { stdout } = Bun.spawnSync([program, String(offset), ...lengths.map(String)], {
      stdin: data,
    });
    expect(stdout.length).toBe(32 * lengths.length);
    for (const [i, length] of lengths.entries()) {
      const found = new Uint8Array(stdout.subarray(32 * i, 32 * i + 32));
      expect(found.toHex()).toBe(sha256(data.subarray(offset, offset + length)).toHex());
    }
  });
});
