import { describe, expect, test } from "bun:test";
import { x86Purgatory } from "../../src/arch/x86-64/purgatory/index.ts";
import json from "../../src/arch/x86-64/purgatory/manifest.json" with { type: "json" };
import { KexecError } from "../../src/core/error.ts";
import { parseManifest } from "../../src/purgatory/manifest.ts";

test("the committed manifest is read as it is", () => {
  expect<object>(parseManifest(json)).toEqual(json);
});

describe("parseManifest refuses", () => {
  test.each([[null], [1], ["text"], [[]], [{}]])("%j", (value) => {
    expect(() => parseManifest(value)).toThrow(KexecError);
  });

  test.each(Object.keys(json))("a manifest without %s", (name) => {
    expect(() => parseManifest({ ...json, [name]: undefined })).toThrow(KexecError);
  });

  test.each([
    [{ architecture: "vax" }, "unknown architecture vax"],
    [{ version: -1 }, "version is -1; a whole number is needed"],
    [{ blobSize: 1.5 }, "blobSize is 1.5; a whole number is needed"],
    [{ compiler: "" }, 'compiler is ""; a text is needed'],
    [{ sha256: "00" }, 'sha256 is "00"; SHA-256 is needed'],
    [{ alignment: 0 }, "alignment 0 is not a power of two"],
    [{ alignment: 6144 }, "alignment 6144 is not a power of two"],
    [{ memorySize: json.memorySize + 1 }, "is not a multiple of alignment"],
    [{ memorySize: 4096 }, "is more than memorySize 4096"],
    [{ entryOffset: json.blobSize }, "lies outside the blob"],
    [{ parameterOffset: json.blobSize }, "lies outside the blob"],
    [{ sources: {} }, "no sources"],
    [{ sources: { "purgatory.c": "x" } }, 'purgatory.c is "x"; SHA-256 is needed'],
  ])("%j", (change, message) => {
    expect(() => parseManifest({ ...json, ...change })).toThrow(message);
  });
});

test("the program carries one purgatory, read once", () => {
  expect(x86Purgatory().manifest).toEqual(parseManifest(json));
  expect(x86Purgatory()).toBe(x86Purgatory());
});
