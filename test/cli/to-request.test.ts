import { describe, expect, test } from "bun:test";
import { OPTIONS, type OptionName } from "../../src/cli/options.ts";
import { NO_KERNEL, toRequest } from "../../src/cli/to-request.ts";
import type { LoaderRequest, RunRequest } from "../../src/model/request.ts";
import { NO_LOADER } from "../plan/requests.ts";
import { read, refusal, run, text } from "./command-lines.ts";

const MAX = (1n << 64n) - 1n;
const PLAIN = run(["-l", "k"]);

test("a plain load has kexec-tools' defaults", () => {
  expect(PLAIN).toEqual({
    action: "run",
    steps: {
      status: false,
      unload: false,
      load: true,
      shutdown: false,
      sync: true,
      ifdown: false,
      exec: false,
      jumpBack: false,
    },
    purpose: "normal",
    method: "auto",
    kernel: "k",
    type: null,
    loader: NO_LOADER,
    console: { resetVga: false, vga: false, serial: false, serialBase: 0x3f8, serialBaud: 0 },
    memMin: 0n,
    memMax: MAX,
    skipChecks: false,
    debug: false,
    noEfi: false,
    reuseVideoType: false,
    noCma: false,
    forceDtb: false,
    entry: 0n,
    reuseInitrd: false,
    hotplug: false,
    passMemmapCmdline: false,
    xen: { library: null, direct: false },
    printCrashRegionSize: false,
    dryRun: null,
    doctor: null,
    facts: null,
    saveFacts: null,
  });
});

/** What a loader option changes. */
const loader = (name: OptionName, changes: Partial<LoaderRequest>): Partial<RunRequest> => ({
  loader: { ...NO_LOADER, given: [name], ...changes },
});

/** What `-l OPTION k` changes in the request, or how it ends. */
const EFFECTS: Record<
  OptionName,
  readonly [string | readonly string[], Partial<RunRequest> | string]
> = {
  help: ["--help", "help 0"],
  version: ["--version", "version 0"],
  force: ["--force", { steps: { ...PLAIN.steps, ifdown: true, exec: true } }],
  "no-checks": ["--no-checks", { skipChecks: true }],
  "no-ifdown": ["--no-ifdown", {}],
  "no-sync": ["--no-sync", { steps: { ...PLAIN.steps, sync: false } }],
  load: ["--load", {}],
  unload: ["--unload", { steps: { ...PLAIN.steps, load: false, unload: true, sync: false } }],
  exec: ["--exec", { steps: { ...PLAIN.steps, load: false, ifdown: true, exec: true } }],
  "exec-live-update": [
    "--exec-live-update",
    { steps: { ...PLAIN.steps, load: false, ifdown: true, exec: true }, purpose: "live-update" },
  ],
  // A highest address is needed, and tested below.
  "load-preserve-context": [
    ["--load-preserve-context", "--mem-max=0xfff"],
    { purpose: "preserve-context", memMax: 0xfffn },
  ],
  "load-jump-back-helper": [
    "--load-jump-back-helper",
    { steps: { ...PLAIN.steps, load: false, jumpBack: true }, purpose: "preserve-context" },
  ],
  "load-live-update": ["--load-live-update", { purpose: "live-update" }],
  entry: ["--entry=0x10", { entry: 16n }],
  type: ["--type=x", { type: "x" }],
  "load-panic": ["--load-panic", { steps: { ...PLAIN.steps, sync: false }, purpose: "crash" }],
  "mem-min": ["--mem-min=0x10", { memMin: 16n }],
  "mem-max": ["--mem-max=-1", { memMax: MAX }],
  reuseinitrd: ["--reuseinitrd", { reuseInitrd: true }],
  "kexec-file-syscall": ["--kexec-file-syscall", { method: "file" }],
  "kexec-syscall": ["--kexec-syscall", { method: "segments" }],
  "kexec-syscall-auto": ["--kexec-syscall-auto", { method: "auto" }],
  debug: ["--debug", { debug: true }],
  status: [
    "--status",
    { steps: { ...PLAIN.steps, load: false, sync: false, status: true }, purpose: "normal" },
  ],
  // It ends the reading, so that the kernel after it does not count.
  "print-ckr-size": [
    "--print-ckr-size",
    { steps: { ...PLAIN.steps, load: false, sync: false }, printCrashRegionSize: true },
  ],
  hotplug: ["--hotplug", { hotplug: true }],
  "no-cma": ["--no-cma", { noCma: true }],
  "force-dtb": ["--force-dtb", { forceDtb: true }],
  "reset-vga": ["--reset-vga", { console: { ...PLAIN.console, resetVga: true } }],
  serial: ["--serial=0x2e8", { console: { ...PLAIN.console, serialBase: 0x2e8 } }],
  "serial-baud": ["--serial-baud=115200", { console: { ...PLAIN.console, serialBaud: 115200 } }],
  "console-vga": ["--console-vga", { console: { ...PLAIN.console, vga: true } }],
  "console-serial": ["--console-serial", { console: { ...PLAIN.console, serial: true } }],
  "elf32-core-headers": ["--elf32-core-headers", {}],
  "elf64-core-headers": ["--elf64-core-headers", {}],
  "pass-memmap-cmdline": ["--pass-memmap-cmdline", { passMemmapCmdline: true }],
  noefi: ["--noefi", { noEfi: true }],
  "reuse-video-type": ["--reuse-video-type", { reuseVideoType: true }],
  "command-line": ["--command-line=a b", loader("command-line", { commandLine: "a b" })],
  append: ["--append=", loader("append", { commandLine: "" })],
  "reuse-cmdline": ["--reuse-cmdline", loader("reuse-cmdline", { reuseCommandLine: true })],
  initrd: ["--initrd=i", loader("initrd", { initrd: "i" })],
  ramdisk: ["--ramdisk=\xff", loader("ramdisk", { initrd: "\xff" })],
  "args-elf": ["--args-elf", loader("args-elf", { argumentStyle: "elf" })],
  "args-linux": ["--args-linux", loader("args-linux", { argumentStyle: "linux" })],
  "args-none": ["--args-none", loader("args-none", { argumentStyle: "none" })],
  module: ["--module=m a", loader("module", { modules: ["m a"] })],
  "real-mode": ["--real-mode", loader("real-mode", { realMode: true })],
  "entry-32bit": ["--entry-32bit", loader("entry-32bit", { entry32Bit: true })],
  dtb: ["--dtb=d", loader("dtb", { dtb: "d" })],
  "dry-run": ["--dry-run", { dryRun: "text" }],
  doctor: ["--doctor", { steps: { ...PLAIN.steps, load: false, sync: false }, doctor: "text" }],
  facts: ["--facts=f", "misused"],
  "save-facts": ["--save-facts=f", { saveFacts: "f" }],
  "xen-library": ["--xen-library=/x.so", { xen: { library: "/x.so", direct: false } }],
  "xen-direct": ["--xen-direct", { xen: { library: null, direct: true } }],
};

describe("every option", () => {
  test.each(Object.entries(EFFECTS))("--%s", (_name, [word, effect]) => {
    const argv = ["-l", ...[word].flat(), "k"];
    if (effect === "misused") expect(refusal(argv).exitStatus).toBe(1);
    else if (typeof effect === "string") expect(text(argv)).toBe(effect);
    else expect(run(argv)).toEqual({ ...PLAIN, ...effect });
  });

  test("that needs something to load is a mistake without", () => {
    for (const { name, onlyWithLoad } of OPTIONS.filter((option) => option.scope !== "own")) {
      if (!onlyWithLoad) continue;
      for (const action of ["-u", "-e", "-S"]) {
        const complaint = `kexec: option '--${name}' is for loading a kernel`;
        const words = [EFFECTS[name][0]].flat();
        expect(text([action, ...words])).toBe(`usage 1 ${complaint}`);
        expect(text([...words, "-l", action])).toBe(`usage 1 ${complaint}`);
      }
    }
  });
});

describe("texts", () => {
  test.each([
    [["-h"], "help 0"],
    [["-h", "--bogus"], "help 0"],
    [["-v", "--bogus"], "version 0"],
    [["--bogus", "-v"], "usage 1 kexec: unrecognized option '--bogus'"],
    [["-Z"], "usage 1 kexec: invalid option -- 'Z'"],
    [["-?"], "usage 1"],
    [["-lZh", "k"], "usage 1 kexec: invalid option -- 'Z'"],
    [["-S", "-h"], "help 0"],
    [["--mem-min=zz", "-h"], "usage 1 Bad option value in --mem-min=zz"],
    [["-h", "--mem-min=zz"], "help 0"],
    [["--mem-ma=5k"], "usage 1 Bad option value in --mem-max=5k"],
    [["--entry", "x"], "usage 1 Bad option value in --entry=x"],
    [[], "usage 255 No kernel specified"],
    [["-l"], "usage 255 No kernel specified"],
    [["-f", "-d"], "usage 255 No kernel specified"],
    [["-e", "-f"], "usage 255 No kernel specified"],
    [["--dry-run", "-u", "-l"], "usage 255 No kernel specified"],
    [["--module=x", "-v"], "version 0"],
    [["--dry-run=yaml", "-v"], "refused"],
    [["-v", "--dry-run=yaml"], "version 0"],
  ])("%j", (argv, expected) => {
    if (expected === "refused") expect(refusal(argv).exitStatus).toBe(1);
    else expect(text(argv)).toBe(expected);
  });

  test("messages begin with the name that the program was called by", () => {
    const called = (argv: readonly string[]) =>
      toRequest({ argv0: "/sbin/k\xffx", argv, env: () => undefined });
    expect(called(["--bogus"])).toMatchObject({
      complaint: "/sbin/k\xffx: unrecognized option '--bogus'",
    });
    expect(() => called(["--dry-run", "-u"])).toThrow("/sbin/k\xffx: option '--dry-run' needs");
  });

  test("unloading comes before the kernel is missed", () => {
    expect(run(["-u", "-l"])).toMatchObject({ kernel: null, steps: { unload: true, load: true } });
    expect(NO_KERNEL).toEqual({
      action: "usage",
      complaint: "No kernel specified",
      exitStatus: 255,
    });
  });
});

describe("values", () => {
  test("the last one counts, whichever spelling it has", () => {
    expect(run(["--append=a", "--command-line=b", "k"]).loader.commandLine).toBe("b");
    expect(run(["--command-line=b", "--append=a", "k"]).loader.commandLine).toBe("a");
    expect(run(["--ramdisk=a", "--initrd=b", "k"]).loader.initrd).toBe("b");
    expect(run(["-s", "-c", "k"]).method).toBe("segments");
    expect(run(["-c", "-a", "k"]).method).toBe("auto");
    expect(run(["-tx", "-t", "y", "k"]).type).toBe("y");
  });

  test("the command line survives what follows it", () => {
    for (const after of ["--noefi", "--reuse-video-type", "--reuse-cmdline"]) {
      expect(run(["--append=a", after, "k"]).loader.commandLine).toBe("a");
    }
  });

  test("-d counts before and after -p", () => {
    expect(run(["-d", "-p", "-u"])).toMatchObject({ debug: true, purpose: "crash" });
    expect(run(["-p", "-d", "-u"])).toMatchObject({ debug: true, purpose: "crash" });
  });

  test("the kernel is the first operand, and further ones are ignored", () => {
    expect(run(["a", "-l", "b", "c"]).kernel).toBe("a");
    expect(run(["-l", "--", "-d"])).toMatchObject({ kernel: "-d", debug: false });
    expect(run(["-l", "a\xff\x80"]).kernel).toBe("a\xff\x80");
    expect(run(["-l", ""]).kernel).toBe("");
  });

  test("POSIXLY_CORRECT, even empty, ends the options at the kernel", () => {
    expect(run(["-l", "k", "-d"]).debug).toBe(true);
    expect(run(["-l", "k", "-d"], { POSIXLY_CORRECT: "" }).debug).toBe(false);
  });
});

describe("--serial and --serial-baud", () => {
  test.each([
    ["ttyS0", 0x3f8],
    ["ttyS1", 0x2f8],
    ["0x3e8", 0x3e8],
    ["0xffff", 0xffff],
    ["0x", 0],
  ])("--serial=%s", (value, port) => {
    expect(run(["-l", `--serial=${value}`, "k"]).console.serialBase).toBe(port);
  });

  test.each(["ttyS2", "3f8", "0X3f8", "0x10000", "0x-1", "0xzz", "0x3f8 ", ""])(
    "--serial=%s is bad",
    (value) => {
      expect(text(["-l", `--serial=${value}`, "k"])).toBe(
        `usage 255 Bad serial port base '${value}'`,
      );
    },
  );

  test.each(["9600", "19200", "38400", "57600", "115200", "0x2580", "022600", "14400"])(
    "--serial-baud=%s",
    (value) => {
      const octal = value.startsWith("0") && !value.startsWith("0x");
      const baud = octal ? Number.parseInt(value, 8) : Number(value);
      expect(run(["-l", "--serial-baud", value, "k"]).console.serialBaud).toBe(baud);
    },
  );

  test.each(["0", "", "300", "9601", "115201", "230400", "-1", "9600x", "fast"])(
    "--serial-baud=%s is bad",
    (value) => {
      expect(text(["-l", `--serial-baud=${value}`, "k"])).toBe(
        `usage 255 Bad serial port baud rate '${value}'`,
      );
    },
  );

  test("the first bad one is named, after errors of the command line", () => {
    expect(text(["--serial-baud=1", "--serial=x", "k"])).toContain("baud rate '1'");
    expect(text(["--serial=x", "--bogus"])).toContain("unrecognized");
    expect(text(["--serial=x", "-h"])).toBe("help 0");
    expect(text(["-u", "--serial=x"])).toBe("usage 255 Bad serial port base 'x'");
    expect(text(["-u", "--serial=x", "--noefi"])).toStartWith("usage 1 Bad serial port base 'x'\n");
  });
});

describe("our own options", () => {
  test("--dry-run says in which form", () => {
    expect(run(["-l", "--dry-run=text", "k"]).dryRun).toBe("text");
    expect(run(["-l", "--dry-run=json", "k"]).dryRun).toBe("json");
    expect(run(["--dry-run", "k"]).dryRun).toBe("text");
    expect(refusal(["-l", "--dry-run=yaml", "k"]).message).toBe(
      "Bad option value in --dry-run=yaml",
    );
  });

  test.each([[["-u"]], [["-e"]], [["-S"]], [["-p", "-u"]]])("--dry-run with %j", (argv) => {
    expect(refusal([...argv, "--dry-run"])).toMatchObject({
      code: "arguments.dry-run",
      exitStatus: 1,
    });
  });

  test("--facts plans for another machine, and never acts on this one", () => {
    expect(run(["--dry-run", "--facts=f", "-l", "k"]).facts).toBe("f");
    for (const argv of [["-l", "k"], ["-u"], ["-e"], ["-f", "k"], ["-S"]]) {
      expect(refusal([...argv, "--facts=f"])).toMatchObject({
        code: "arguments.facts",
        exitStatus: 1,
      });
    }
  });

  test("--save-facts alone saves and does no more", () => {
    for (const argv of [["--save-facts=f"], ["-d", "--save-facts", "f"]]) {
      const request = run(argv);
      expect(request.saveFacts).toBe("f");
      expect(Object.values(request.steps)).not.toContain(true);
    }
    expect(run(["--save-facts=f", "-l", "k"]).steps.load).toBe(true);
    expect(run(["--save-facts=f", "k"]).steps).toMatchObject({ load: true, shutdown: true });
    expect(read(["--save-facts=f", "-l"])).toEqual(NO_KERNEL);
  });

  test.each(["", "libxenctrl.so", "./libxenctrl.so", "~/x.so", "../x.so"])(
    "--xen-library=%s is not absolute, and is never looked for",
    (path) => {
      expect(refusal(["-l", `--xen-library=${path}`, "k"])).toMatchObject({
        code: "arguments.xen-library",
        exitStatus: 1,
        message: `Bad option value in --xen-library=${path}`,
      });
    },
  );

  test("--xen-library and --xen-direct serve every deed", () => {
    for (const argv of [["-u"], ["-e"], ["-S"], ["-l", "k"], ["--print-ckr-size"]]) {
      const { xen } = run(["--xen-library=/x.so", "--xen-direct", ...argv]);
      expect(xen).toEqual({ library: "/x.so", direct: true });
    }
    expect(run(["--xen-library", "/a", "--xen-library=/b", "-u"]).xen.library).toBe("/b");
  });
});

describe("Xen's actions", () => {
  test("--print-ckr-size does nothing else, and what follows it is not read", () => {
    for (const argv of [
      ["--print-ckr-size"],
      ["-l", "--print-ckr-size"],
      ["--print-ckr-size", "-e"],
      ["--print-ckr-size", "--bogus"],
      ["-f", "k", "--print-ckr-size"],
    ]) {
      const request = run(argv);
      expect(request.printCrashRegionSize).toBe(true);
      expect(Object.values(request.steps)).not.toContain(true);
    }
    expect(text(["--bogus", "--print-ckr-size"])).toStartWith("usage 1");
  });

  test("--load-live-update loads, --exec-live-update starts, and neither is another image", () => {
    expect(run(["--load-live-update", "k"])).toMatchObject({
      purpose: "live-update",
      steps: { load: true, shutdown: false, exec: false },
    });
    expect(run(["--exec-live-update", "-x", "-y"])).toMatchObject({
      purpose: "live-update",
      steps: { load: false, exec: true, sync: false, ifdown: false },
    });
    expect(text(["--load-live-update"])).toBe("usage 255 No kernel specified");
    expect(run(["-l", "k"]).purpose).toBe("normal");
  });
});
