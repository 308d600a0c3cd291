import { describe, expect, test } from "bun:test";
import packageJson from "../../package.json" with { type: "json" };
import {
  bashCompletion,
  fishCompletion,
  zshCompletion,
} from "../../scripts/packaging/completions.ts";
import { commonContents, dateOf } from "../../scripts/packaging/contents.ts";
import { controlText } from "../../scripts/packaging/debian.ts";
import { manPage, roff } from "../../scripts/packaging/man.ts";
import { RUNTIME_PARTS, sbom } from "../../scripts/packaging/sbom.ts";
import { imageTypes } from "../../src/arch/index.ts";
import { OPTIONS } from "../../src/cli/options.ts";

const RELEASE = { version: "1.2.3", epoch: 1_767_225_600 };
const TYPES = imageTypes("x86_64");
const NAMES = TYPES.map(({ name }) => name);

test("roff prints texts as they are", () => {
  expect(roff("a-b \\ c")).toBe("a\\-b \\e c");
  expect(roff(".x\n'y")).toBe("\\&.x\n\\&'y");
});

test("the date is the release's, of UTC", () => {
  expect(dateOf(RELEASE)).toBe("2026-01-01");
});

test("the manual page has every option with its letter, and every image type", () => {
  const page = manPage(TYPES, { version: "1.2.3", date: "2026-01-01" });
  for (const { name, short } of OPTIONS) {
    const letter = short === null ? "" : `\\fB\\-${short}\\fP, `;
    expect(page).toContain(`.TP\n${letter}\\fB${roff(`--${name}`)}\\fP`);
  }
  for (const name of NAMES) expect(page).toContain(`\\fB${roff(name)}\\fP`);
});

describe("completions", () => {
  test("have every option", () => {
    const bash = bashCompletion(NAMES);
    const zsh = zshCompletion(NAMES);
    const fish = fishCompletion(NAMES);
    for (const { name, short, argument } of OPTIONS) {
      expect(bash).toMatch(new RegExp(`[ ']--${name}${argument === "required" ? "=" : "[ ']"}`));
      expect(zsh).toMatch(new RegExp(`'\\*?--${name}[=[]`));
      expect(fish).toMatch(new RegExp(`-l ${name}( -s ${short})? `));
    }
  });

  test("have the image types", () => {
    const types = NAMES.join(" ");
    for (const text of [bashCompletion(NAMES), zshCompletion(NAMES), fishCompletion(NAMES)]) {
      expect(text).toContain(types);
    }
  });
});

describe("the bill of materials", () => {
  const { dependencies } = packageJson;
  const created = "2026-01-01T00:00:00Z";
  const sha256 = "ab".repeat(32);
  const text = sbom({ version: "1.2.3", created, sha256, dependencies, runtimeVersion: "9.9.9" });
  const document = JSON.parse(text);
  const ids: string[] = document.packages.map(({ SPDXID }: { SPDXID: string }) => SPDXID);

  test("has every part once, and each belongs to another", () => {
    expect(new Set(ids).size).toBe(ids.length);
    const parts = [
      "onekexec",
      "bun",
      ...Object.keys(dependencies),
      ...RUNTIME_PARTS.map(([n]) => n),
    ];
    expect(document.packages.map(({ name }: { name: string }) => name).sort()).toEqual(
      parts.sort(),
    );
    const related = document.relationships.map(
      (one: { relatedSpdxElement: string }) => one.relatedSpdxElement,
    );
    expect(related.sort()).toEqual([...ids].sort());
  });

  test("has SPDX's form", () => {
    expect(document).toMatchObject({ spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0" });
    for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
    expect(document.packages[0].checksums).toEqual([
      { algorithm: "SHA256", checksumValue: sha256 },
    ]);
  });
});

test("the control file counts what is installed, and every path is there once", () => {
  const contents = commonContents(new Uint8Array(10_000), "{}", RELEASE);
  expect(controlText(RELEASE, contents)).toMatch(/^Version: 1\.2\.3$/m);
  const size = Number(/^Installed-Size: (\d+)$/m.exec(controlText(RELEASE, contents))?.[1]);
  expect(size).toBeGreaterThan(10);
  const paths = contents.map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
});
