import { describe, expect, test } from "bun:test";
import { OPTIONS } from "../../src/cli/options.ts";
import { usageText } from "../../src/cli/usage.ts";
import { VERSION, versionLine } from "../../src/cli/version.ts";

const TYPES = [
  { name: "bzImage64", options: ["command-line", "append", "initrd", "module"] },
  { name: "nbi-x86", options: [] },
];
const text = usageText(TYPES, "9.8.7");

describe("-v", () => {
  test("begins as kexec-tools' does", () => {
    expect(versionLine("1.2.3")).toBe("kexec-tools 2.0.32 (onekexec 1.2.3)");
    expect(versionLine()).toBe(`kexec-tools 2.0.32 (onekexec ${VERSION})`);
    expect(VERSION).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("-h", () => {
  test("begins with kexec-tools' lines that scripts look for, and the general options", () => {
    expect(text).toStartWith(`kexec-tools 2.0.32 (onekexec 9.8.7)
Usage: kexec [OPTION]... [kernel]
Start another kernel from the running one, without firmware or boot loader

 -h, --help                   Print this text
 -v, --version                Print the version
 -f, --force                  Load and start the kernel at once, without
                              shutting down
`);
  });

  test("lists the image types in their order, each with its options", () => {
    // Scripts may know the blank at the end of the headings.
    expect(text).toContain(`
Supported kernel file types and options:${" "}
bzImage64
    --command-line=STRING     The kernel's command line
    --append=STRING           The same as --command-line
    --initrd=FILE             The kernel's initial ramdisk
    --module="FILE ARGS"      A module for the kernel; may be given again
nbi-x86

Architecture options:${" "}
     --reset-vga              Reset a standard VGA adapter before the kernel
                              starts
     --serial=PORT            Serial port for messages: ttyS0, ttyS1 or 0xPORT
     --serial-baud=BAUD       Baud rate of that port: 9600 to 115200
`);
  });

  test("ends with our own options and an empty line", () => {
    const end = text.slice(text.indexOf("Options that only"));
    expect(end).toStartWith(`Options that only onekexec has:${" "}
     --dry-run[=text|json]    Print what would be loaded where; change nothing
     --doctor[=text|json]     Say what works on this machine and what does not
     --facts=FILE             With --dry-run: plan for the machine that FILE
                              describes
`);
    expect(end).toEndWith(`
     --xen-direct             Xen: make the hypercalls without any library

`);
  });

  test("has every option that is no loader's exactly once", () => {
    for (const { name, scope } of OPTIONS) {
      if (scope === "loader") continue;
      const rows = text.match(new RegExp(`^ {1,5}(?:-\\w, )?--${name}(?=[=[ ])`, "gm"));
      expect({ name, rows: rows?.length }).toEqual({ name, rows: 1 });
    }
  });

  test("an image type with an option that is not in the table is a mistake of ours", () => {
    expect(() => usageText([{ name: "x", options: ["bogus"] }])).toThrow(RangeError);
  });

  test("fits a console, and keeps labels and descriptions apart", () => {
    const all = usageText([{ name: "all", options: OPTIONS.map(({ name }) => name) }]);
    for (const line of all.split("\n")) {
      expect(line.length).toBeLessThan(80);
      if (line.startsWith(" ")) expect(line).toMatch(/^.{29} \S/);
    }
  });
});
