/**
 * The same command line to kexec-tools and to onekexec: version, help, mistakes in the command
 * line, status and unload. Loading is in load.test.ts.
 */

import { describe, expect, test } from "bun:test";
import { differs, runBoth, same } from "./compare.ts";
import { difference } from "./differences.ts";
import { type FakeMachine, runKexec } from "./harness.ts";
import { EMPTY, INITRD, INITRD_PIECE, KERNEL, KERNEL_PIECE } from "./inputs.ts";
import { KEXEC_TOOLS, ONEKEXEC, RELEASE } from "./programs.ts";

const METHODS = ["-a", "-c", "-s"];

describe("version and help", () => {
  for (const argv of [["-v"], ["--version"], ["--vers"], ["-vh"], ["-l", "-v"], ["-vZ"]]) {
    test(`${difference("version").id}: kexec ${argv.join(" ")}`, async () => {
      const { theirs, ours } = await runBoth(argv);
      expect({ ...theirs, stdout: [] }).toEqual({ status: 0, stdout: [], stderr: [], calls: [] });
      expect({ ...ours, stdout: theirs.stdout }).toEqual(theirs);
      expect(theirs.stdout.join("\n")).toMatch(/^kexec-tools 2\.0\.\d+(?:\.git)?$/);
      expect(ours.stdout.join("\n")).toMatch(/^kexec-tools 2\.0\.\d+ \(onekexec \d+\.\d+\.\d+\)$/);
    });
  }
  for (const argv of [["-h"], ["--help"], ["-hv"], ["-?"], ["-l", "-h"]]) same(argv);

  const help = async (binary: string): Promise<string> => (await runKexec(binary, ["-h"])).stdout;
  const optionNames = (text: string): string[] =>
    [...text.matchAll(/(?<![\w-])--([a-z0-9][a-z0-9-]*)/g)].map((match) => match[1] ?? "");

  test("every option that kexec-tools' help names is in ours", async () => {
    const named = new Set(optionNames(await help(ONEKEXEC)));
    const theirs = new Set(optionNames(await help(KEXEC_TOOLS)));
    // An option of an image type that is not there yet.
    const later = ["dtb"];
    const missing = [...theirs].filter((name) => !named.has(name) && !later.includes(name));
    expect(missing).toEqual([]);
    expect(theirs.size).toBeGreaterThan(30);
  });

  test(`${difference("usage").id}: headings are kexec-tools'`, async () => {
    const lines = (await help(ONEKEXEC)).split("\n");
    const theirs = (await help(KEXEC_TOOLS)).split("\n");
    for (const heading of [
      "Usage: kexec [OPTION]... [kernel]",
      "Supported kernel file types and options: ",
      "bzImage64",
      "Architecture options: ",
    ]) {
      expect(theirs).toContain(heading);
      expect(lines).toContain(heading);
    }
    expect(theirs.join("\n")).not.toContain("--dry-run");
    expect(lines.slice(lines.indexOf("Options that only onekexec has: ")).join("\n")).toMatch(
      /--dry-run.*--facts.*--save-facts/s,
    );
  });
});

describe("mistakes in the command line", () => {
  for (const argv of [
    ["--unknown"],
    ["--unknown=x", "-v"],
    ["-Z"],
    ["-Zv"],
    ["-l", "--unknown", KERNEL],
    ["--load-p"],
    ["--reuse"],
    ["--kexec"],
    ["--append"],
    ["-l", KERNEL, "--append"],
    ["--type"],
    ["-t"],
    ["--unload=x"],
    ["--mem-min"],
    ["--mem-min=zz"],
    ["--mem-min=1x"],
    ["--mem-max=0x"],
    ["--entry=zz"],
    [],
    ["-d"],
    ["-l"],
    ["-l", "--"],
    ["-c", "-l"],
    ["-s", "-l"],
    ["-a", "-l"],
    ["--load", "--append=x"],
    ["--type=bzImage64"],
  ]) {
    same(argv);
  }
  same(["-c", "-l", KERNEL, "--unknown"], { env: { POSIXLY_CORRECT: "1" } });
  const no = (names: string): string =>
    `kexec: option '--no' is ambiguous; possibilities: '--no-checks' '--no-ifdown' '--no-sync' ${names}`;
  differs("release", ["--no"], {
    theirs: { status: 1, stderr: [no("'--noefi'")] },
    ours: { stderr: [no("'--no-cma' '--noefi'")] },
    release: (release) => release < 33,
  });
});

describe("what this machine does not have: a crash region, and Xen", () => {
  for (const argv of [
    ["-p"],
    ["-p", KERNEL],
    ["-s", "-p", KERNEL],
    ["-c", "-p", KERNEL, "--append=x"],
    ["-u", "-p"],
    ["-p", "/nonexistent"],
    ["--print-ckr-size"],
    ["-l", "--print-ckr-size", "--unknown"],
    ["--unknown", "--print-ckr-size"],
    ["-l", "--load-live-update", KERNEL],
  ]) {
    same(argv);
  }
});

describe("--reuseinitrd", () => {
  for (const cmdline of ["root=/dev/vda1\n", "root=/dev/vda1 retain_initrd\n"]) {
    same(["-u", "--reuseinitrd"], { machine: { cmdline } });
    same(["-c", "-l", "--reuseinitrd", KERNEL], { machine: { cmdline } });
  }
  same(["-S", "--reuseinitrd"]);
});

const answers = (method: string, answer: "EPERM" | "EBUSY" | "ENOMEM" | "EINVAL" | "ENOSYS") =>
  method === "-c" ? { kexecLoad: answer } : { kexecFileLoad: answer };

describe("unload", () => {
  for (const method of METHODS) {
    same([method, "-u"]);
    same([method, "-p", "-u"]);
    same([method, "-l", "-u"]);
    same([method, "-l", "-u", KERNEL]);
    same([method, "-u", "-l"]);
    same([method, "-u", "-u"]);
    same([method, "-u", "extra"]);
    same([method, "-u", "-x", "-y", "-i"]);
    same([method, "-u", "--type=nonsense"]);
    same([method, "-u", "--mem-min=0x1000", "--mem-max=0x100000"]);
    same([method, "-u", "--reset-vga", "--console-vga", "--elf64-core-headers"]);
    same([method, "-u", "--serial-baud=115200", "--serial=ttyS1", "--console-serial"]);
    same([method, "-u", "--unknown"]);
    for (const errno of ["EPERM", "EBUSY", "ENOMEM", "EINVAL", "ENOSYS"] as const) {
      same([method, "-u"], answers(method, errno));
      same([method, "-u", "-p", "-u"], answers(method, errno));
      same([method, "-u", "-l", KERNEL], { kexecLoad: errno, kexecFileLoad: errno });
    }
  }
  same(["-a", "-u"], { kexecFileLoad: "ENOSYS", kexecLoad: "EPERM" });
  same(["-c", "-u"], { user: "nobody", kexecLoad: "EPERM" });
  same(["-s", "-u"], { user: "nobody", kexecFileLoad: "EPERM" });

  const unloadFlag = (flags: string) => `kexec_file_load null null null (0) flags ${flags} -> 0`;
  differs("debug-flag", ["-s", "-u", "-d"], {
    theirs: { calls: [unloadFlag("0x9")] },
    ours: { calls: [unloadFlag("0x1")] },
    release: (release) => release >= 29,
  });
  differs("debug-flag", ["-c", "-d", "-u"], {
    theirs: { calls: ["kexec_load flags 0x3e0010 entry 0x0 nothing -> 0"] },
    ours: { calls: ["kexec_load flags 0x3e0000 entry 0x0 nothing -> 0"] },
    release: (release) => release >= 33,
  });
});

describe("what is given and does not count", () => {
  const loads = (what: string) => `kexec_load flags 0x3e0000; ${KERNEL_PIECE}; ${what} -> 0`;
  for (const [words, warned, loaded] of [
    [[`--initrd=${EMPTY}`, `--initrd=${INITRD}`], `--initrd=IN/empty is left out`, INITRD_PIECE],
    [["--append=x", "--command-line=y"], "--append=x is left out", "initrd:"],
    [["-t", "nonsense", "--type=bzImage64"], "--type=nonsense is left out", "initrd:"],
    [["--mem-min=0x900000000", "--mem-min=0"], "--mem-min=0x900000000 is left out", "initrd:"],
    [[KERNEL, INITRD], "IN/initrd, IN/vmlinuz are left out: the kernel is", "initrd:"],
  ] as const) {
    const argv = ["-c", "-l", ...words, KERNEL];
    test(`${difference("left-out").id}: ${words.join(" ")}`, async () => {
      const { theirs, ours } = await runBoth(argv);
      const calls = [loads(loaded), "sync"];
      expect(theirs).toEqual({ status: 0, stdout: [], stderr: [], calls });
      expect(ours).toEqual({ ...theirs, stderr: [expect.stringContaining(warned)] });
      expect(ours.stderr[0]).toStartWith("Warning: ");
    });
  }
});

describe("options for loading where nothing is loaded", () => {
  for (const words of [
    ["--append=x"],
    ["--append", "x"],
    ["--command-line=x"],
    ["--reuse-cmdline"],
    ["--initrd=x"],
    ["--ramdisk", "x"],
    ["--noefi"],
    ["--reuse-video-type"],
    ["--pass-memmap-cmdline"],
    ["--module=x"],
    ["--args-elf"],
    ["--real-mode"],
    ["--entry-32bit"],
  ]) {
    const argv = ["-u", ...words];
    test(`${difference("late-option").id}: kexec ${argv.join(" ")}`, async () => {
      const { theirs, ours } = await runBoth(argv);
      expect(theirs).toEqual({ status: 1, stdout: ["(usage)"], stderr: [], calls: [] });
      const name = words[0]?.split("=")[0];
      const stderr = [`kexec: option '${name}' is for loading a kernel`];
      expect(ours).toEqual({ ...theirs, stderr });
    });
  }
  same(["-S", "--append"]);

  for (const [option, complaint] of [
    ["--serial=zz", "Bad serial port base 'zz'"],
    ["--serial=0x10000", "Bad serial port base '0x10000'"],
    ["--serial-baud=1", "Bad serial port baud rate '1'"],
  ] as const) {
    differs("bad-port", ["-c", "-u", option], {
      theirs: { status: 0, calls: ["kexec_load flags 0x3e0000 entry 0x0 nothing -> 0"] },
      ours: { status: 255, stderr: [complaint], calls: [] },
    });
  }
});

describe("status", () => {
  const ARGV = [
    ["-S"],
    ["--status"],
    ["-S", "-l"],
    ["-S", "-p"],
    ["-p", "-S"],
    ["-S", "-l", "-p"],
    ["-S", "-u"],
    ["-u", "-S"],
    ["-c", "-S"],
    ["-s", "-S", "-l"],
    ["-S", "kernel"],
    ["-S", "-x", "-y"],
  ];
  const state = (normal: string | null, crash: string | null): FakeMachine => ({
    kexec_loaded: normal,
    kexec_crash_loaded: crash,
  });
  for (const machine of [state("1\n", "0\n"), state("0\n", "1\n"), state(null, null)]) {
    for (const argv of ARGV) same(argv, { machine });
  }
  for (const text of ["", "\n", "word\n"]) {
    same(["-S"], { machine: state(text, text) });
    same(["-S", "-l"], { machine: state(text, text) });
  }
  differs(
    "status-debug",
    ["-S", "-d"],
    { theirs: { status: 1 }, ours: { status: 0 }, release: (release) => release >= 33 },
    { machine: state("1\n", "0\n") },
  );
  same(["-S", "-d", "-p"], { machine: state("1\n", "0\n") });
});

describe("which system call", () => {
  differs("default-method", ["-l", KERNEL, "--append=x"], {
    theirs: { calls: [`kexec_load flags 0x3e0000; ${KERNEL_PIECE}; initrd: -> 0`, "sync"] },
    ours: { calls: ['kexec_file_load IN/vmlinuz null "x\\u0000" (2) flags 0x4 -> 0', "sync"] },
    release: (release) => release < 27,
  });
  differs("default-method", ["-u"], {
    theirs: { calls: ["kexec_load flags 0x3e0000 entry 0x0 nothing -> 0"] },
    ours: { calls: ["kexec_file_load null null null (0) flags 0x1 -> 0"] },
    release: (release) => release < 27,
  });
  same(["-c", "-s", "-l", KERNEL]);
  same(["-s", "-c", "-l", KERNEL]);
  same(["-scl", KERNEL]);
});

test("the release of kexec-tools is one that the table speaks of", () => {
  expect(RELEASE).toBeGreaterThanOrEqual(25);
});
