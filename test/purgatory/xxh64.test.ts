/** The purgatories' digest is XXH64, wherever the data lies and however long it is: the C code
 * against the program's own function, and both against published values. */

import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMON_FOLDER, SRC } from "../../scripts/purgatory.ts";
import { bytesOf } from "../../src/core/bytes.ts";
import { xxHash64 } from "../../src/core/digest.ts";

const folder = mkdtempSync(join(tmpdir(), "purgatory-xxh64-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Prints XXH64 of pieces of standard input. The first argument is their offset, the others are
 * their lengths; a piece ends where its allocation ends, so that reading beyond it is found. */
const HOST = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "xxh64.h"
int main(int argc, char **argv) {
  static uint8_t data[1 << 20];
  (void)argc;
  fread(data, 1, sizeof(data), stdin);
  for (int i = 2; argv[i] != 0; i++) {
    uint64_t offset = strtoul(argv[1], 0, 10), length = strtoul(argv[i], 0, 10);
    uint8_t *piece = malloc(offset + length);
    memcpy(piece, data, offset + length);
    uint64_t digest = xxh64(piece + offset, length);
    free(piece);
    fwrite(&digest, 1, sizeof(digest), stdout);
  }
  return 0;
}`;

const program = join(folder, "host");
writeFileSync(`${program}.c`, HOST);
execFileSync("gcc", [
  ...["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result"],
  ...["-fsanitize=undefined,address", "-fno-sanitize-recover=undefined"],
  ...[`-I${join(SRC, COMMON_FOLDER)}`, "-o", program],
  ...[`${program}.c`, join(SRC, COMMON_FOLDER, "xxh64.c")],
]);

/** XXH64 by the purgatory's code of the bytes at `offset` of `data`, for each of `lengths`. */
function byPurgatory(data: Uint8Array, offset: number, lengths: readonly number[]): bigint[] {
  const args = [String(offset), ...lengths.map(String)];
  const found = execFileSync(program, args, { input: data });
  return lengths.map((_, i) => found.readBigUInt64LE(8 * i));
}

/** From the tests of cespare/xxhash and the README of python-xxhash; the longest one takes every
 * step of the algorithm. */
const PUBLISHED: readonly [string, bigint][] = [
  ["", 0xef46db3751d8e999n],
  ["a", 0xd24ec4f1a98c6e5bn],
  ["as", 0x1c330fb2d66be179n],
  ["asd", 0x631c37ce72a97393n],
  ["asdf", 0x415872f599cea71en],
  ["xxhash", 0x32dd38952c4bc720n],
  ["Call me Ishmael. Some years ago--never mind how long precisely-", 0x02a2e85470d6fd96n],
];

describe("XXH64 of", () => {
  test.each(PUBLISHED)("%j", (text, digest) => {
    const data = bytesOf(text);
    expect(byPurgatory(data, 0, [data.length])).toEqual([digest]);
    expect(xxHash64(data)).toBe(digest);
  });

  const data = Uint8Array.from({ length: 1 << 20 }, (_, i) => Math.imul(i, 2654435761) >>> 13);
  const lengths = [...Array(301).keys(), 4095, 4096, 65537, 999_999, 1_000_000];

  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])("any length at offset %d", (offset) => {
    const wanted = lengths.map((length) => xxHash64(data.subarray(offset, offset + length)));
    expect(byPurgatory(data, offset, lengths)).toEqual(wanted);
  });
});
