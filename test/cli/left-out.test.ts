/** What was given and does not count is named; nothing else is. */

import { describe, expect, test } from "bun:test";
import { toRequest } from "../../src/cli/to-request.ts";
import { runWith } from "../story/run-with.ts";

function warningsOf(argv: readonly string[]): readonly string[] {
  const request = toRequest({ argv0: "kexec", argv, env: () => undefined });
  return ("warnings" in request ? request.warnings : undefined) ?? [];
}

describe("an option that counts once", () => {
  test.each([
    [
      ["--initrd=a", "--initrd=b"],
      "--initrd=a is left out, since only the last one counts: --initrd=b. " +
        "To load all: cat a b > FILE, then --initrd=FILE.",
    ],
    [
      ["--initrd=a", "--ramdisk", "b", "--initrd=c"],
      "--initrd=a, --ramdisk=b are left out, since only the last one counts: --initrd=c. " +
        "To load all: cat a b c > FILE, then --initrd=FILE.",
    ],
    [
      ["--append=x y", "--command-line=z"],
      "--append=x y is left out, since only the last one counts: --command-line=z. " +
        'To pass all, join them: --append="x y z".',
    ],
    [["--dtb=a", "--dtb=b"], "--dtb=a is left out, since only the last one counts: --dtb=b."],
    [
      ["-t", "vmlinux", "--type=bzImage64"],
      "--type=vmlinux is left out, since only the last one counts: --type=bzImage64.",
    ],
    [
      ["--mem-min=0x1000", "--mem-min=0x2000"],
      "--mem-min=0x1000 is left out, since only the last one counts: --mem-min=0x2000.",
    ],
    [
      ["--serial=ttyS0", "--serial=ttyS1"],
      "--serial=ttyS0 is left out, since only the last one counts: --serial=ttyS1.",
    ],
    [
      ["--dry-run", "--dry-run=json"],
      "--dry-run is left out, since only the last one counts: --dry-run=json.",
    ],
    [
      ["--save-facts=a", "--save-facts=b"],
      "--save-facts=a is left out, since only the last one counts: --save-facts=b.",
    ],
  ])("%j", (options, warning) => {
    expect(warningsOf(["-l", ...options, "K"])).toEqual([warning]);
  });

  test("with the same value, with one that repeats, or without one, nothing is left out", () => {
    const twice = ["--initrd=a", "-l", "-d", "-d", "--module=m 1", "--module=n 2", "--initrd=a"];
    expect(warningsOf([...twice, "K"])).toEqual([]);
  });

  test("a long command line is cut in the warning", () => {
    const [warning = ""] = warningsOf(["-l", `--append=${"x".repeat(3000)}`, "--append=y", "K"]);
    expect(warning.length).toBeLessThan(400);
  });
});

test("what follows the kernel is named, where a kernel is loaded", () => {
  expect(warningsOf(["-l", "K", "I", "J"])).toEqual([
    "I, J are left out: the kernel is K; an initrd needs --initrd=FILE.",
  ]);
  expect(warningsOf(["-l", "K"])).toEqual([]);
  expect(warningsOf(["-u", "K", "I"])).toEqual([]);
});

test("the warning comes before anything is done, and changes nothing of it", async () => {
  const { stderr, actions, status } = await runWith("-c -l --initrd=A --initrd=B K");
  expect(stderr).toStartWith("Warning: --initrd=A is left out");
  expect(actions).toContain("load segments");
  expect(status).toBe(0);
});

test("a text is printed as it is without them", async () => {
  const { stderr, status } = await runWith("--initrd=A --initrd=B -v");
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
});
