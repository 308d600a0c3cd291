import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { HostFacts } from "../../src/model/host-facts.ts";
import { nextCommandLine, removeParameters } from "../../src/plan/command-line.ts";
import { NO_LOADER } from "./requests.ts";

describe("removeParameters", () => {
  test.each([
    ["BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet", "BOOT_IMAGE", "root=/dev/sda1 quiet"],
    ["root=/dev/sda1 BOOT_IMAGE=/vmlinuz", "BOOT_IMAGE", "root=/dev/sda1 "],
    ["a crashkernel=1G,high b crashkernel=72M,low c", "crashkernel", "a b c"],
    ["a  b   crashkernel=1  c", "crashkernel", "a  b    c"],
    ["xBOOT_IMAGE=1 a", "BOOT_IMAGE", "xBOOT_IMAGE=1 a"],
    [
      'dyndbg="file BOOT_IMAGE.c +p" BOOT_IMAGE=x y',
      "BOOT_IMAGE",
      'dyndbg="file BOOT_IMAGE.c +p" y',
    ],
    ['BOOT_IMAGE="/my kernel" y', "BOOT_IMAGE", "y"],
    ["", "BOOT_IMAGE", ""],
  ])("%p without %p is %p", (line, prefix, want) => {
    expect(removeParameters(line, prefix)).toBe(want);
  });

  test("a line without the parameter stays as it is, byte for byte", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (line) => {
        fc.pre(!line.includes("crashkernel"));
        expect(removeParameters(line, "crashkernel")).toBe(line);
      }),
    );
  });
});

const facts = (bootCommandLine: string | null) => ({ bootCommandLine }) as HostFacts;
const loader = (commandLine: string | null, reuseCommandLine: boolean) => ({
  ...NO_LOADER,
  commandLine,
  reuseCommandLine,
});

describe("nextCommandLine", () => {
  test("is the requested command line, or null", () => {
    expect(nextCommandLine(loader("quiet", false), facts("x"), [])).toBe("quiet");
    expect(nextCommandLine(loader(null, false), facts("x"), [])).toBeNull();
  });

  test("begins with the running kernel's parameters with --reuse-cmdline", () => {
    const boot = facts("BOOT_IMAGE=/v root=/dev/sda crashkernel=1G");
    expect(nextCommandLine(loader("second", true), boot, [])).toBe(
      "root=/dev/sda crashkernel=1G second",
    );
    expect(nextCommandLine(loader(null, true), boot, ["crashkernel"])).toBe("root=/dev/sda ");
  });

  test("is refused where --reuse-cmdline has nothing to reuse", () => {
    expect(() => nextCommandLine(loader(null, true), facts(null), [])).toThrow(
      "Failed to read /proc/cmdline",
    );
  });
});
