/** The rules for the whole command line. */

import { describe, expect, test } from "bun:test";
import { toRequest } from "../../src/cli/to-request.ts";
import { happening, loaded, read, refusal, request, text } from "./command-lines.ts";

const WORLD = { xen: { library: null, direct: false }, crashFacts: false };
const DUMPS = { ...WORLD, crashFacts: true };

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
    expect(request("run", ["-u", "-l"]).steps.slice(-2)).toEqual([
      { kind: "unload", purpose: "normal", method: "auto" },
      {
        kind: "usage",
        text: { action: "usage", complaint: "No kernel specified", exitStatus: 255 },
      },
    ]);
  });
});

describe("values", () => {
  test("the last one counts, whichever spelling it has", () => {
    expect(loaded(["--append=a", "--command-line=b", "k"]).loader.commandLine).toBe("b");
    expect(loaded(["--command-line=b", "--append=a", "k"]).loader.commandLine).toBe("a");
    expect(loaded(["--ramdisk=a", "--initrd=b", "k"]).loader.initrd).toBe("b");
    expect(loaded(["-s", "-c", "k"]).method).toBe("segments");
    expect(loaded(["-c", "-a", "k"]).method).toBe("auto");
    expect(loaded(["-tx", "-t", "y", "k"]).type).toBe("y");
  });

  test("the command line survives what follows it", () => {
    for (const after of ["--noefi", "--reuse-video-type", "--reuse-cmdline"]) {
      expect(loaded(["--append=a", after, "k"]).loader.commandLine).toBe("a");
    }
  });

  test("-d counts before and after -p", () => {
    for (const argv of [
      ["-d", "-p", "-u"],
      ["-p", "-d", "-u"],
    ]) {
      expect(request("run", argv).steps).toEqual([
        { kind: "describe-host" },
        { kind: "unload", purpose: "crash", method: "auto" },
      ]);
    }
  });

  test("the kernel is the first operand, and further ones are ignored", () => {
    expect(loaded(["a", "-l", "b", "c"]).kernel).toBe("a");
    expect(loaded(["-l", "--", "-d"])).toMatchObject({ kernel: "-d", debug: false });
    expect(loaded(["-l", "a\xff\x80"]).kernel).toBe("a\xff\x80");
    expect(loaded(["-l", ""]).kernel).toBe("");
  });

  test("POSIXLY_CORRECT, even empty, ends the options at the kernel", () => {
    expect(loaded(["-l", "k", "-d"]).debug).toBe(true);
    expect(loaded(["-l", "k", "-d"], { POSIXLY_CORRECT: "" }).debug).toBe(false);
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
    expect(loaded(["-l", `--serial=${value}`, "k"]).console.serialBase).toBe(port);
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
      expect(loaded(["-l", "--serial-baud", value, "k"]).console.serialBaud).toBe(baud);
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
    const format = (argv: readonly string[]) => request("dry-run", argv).format;
    expect(format(["-l", "--dry-run=text", "k"])).toBe("text");
    expect(format(["-l", "--dry-run=json", "k"])).toBe("json");
    expect(format(["--dry-run", "k"])).toBe("text");
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
    expect(loaded(["--dry-run", "--facts=f", "-l", "k"]).facts).toBe("f");
    for (const argv of [["-l", "k"], ["-u"], ["-e"], ["-f", "k"], ["-S"]]) {
      expect(refusal([...argv, "--facts=f"])).toMatchObject({
        code: "arguments.facts",
        exitStatus: 1,
      });
    }
  });

  test("--dry-run does first what --save-facts and --reuseinitrd ask", () => {
    const argv = ["--dry-run", "--save-facts=f", "--reuseinitrd", "-u", "-l", "k"];
    expect(request("dry-run", argv).before).toEqual([
      { kind: "save-facts", path: "f" },
      { kind: "refuse-initrd-reuse" },
    ]);
    expect(happening(["--dry-run", "--save-facts=f", "-p"])).toBe("save-facts usage");
    expect(text(["--dry-run", "-p"])).toBe("usage 255 No kernel specified");
  });

  test("--save-facts alone saves and does no more", () => {
    for (const argv of [["--save-facts=f"], ["-d", "--save-facts", "f"]]) {
      expect(read(argv)).toEqual({ action: "save-facts", world: DUMPS, path: "f" });
    }
    expect(happening(["--save-facts=f", "-l", "k"])).toStartWith("save-facts check-supported load");
    expect(happening(["--save-facts=f", "k"])).toContain("load require-loaded shutdown");
    expect(happening(["--save-facts=f", "--hotplug"])).toBe("save-facts require-hotplug");
    expect(text(["--save-facts=f", "-l"])).toBe("usage 255 No kernel specified");
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

  test("--xen-library and --xen-direct serve every action", () => {
    const xenOf = (argv: readonly string[]) => {
      const got = read(argv);
      return "world" in got ? got.world.xen : null;
    };
    const actions = ["-u", "-e", "-S", "-l k", "--print-ckr-size", "--doctor", "-l k --dry-run"];
    for (const action of actions) {
      const argv = ["--xen-library=/x.so", "--xen-direct", ...action.split(" ")];
      expect(xenOf(argv)).toEqual({ library: "/x.so", direct: true });
    }
    const last = xenOf(["--xen-library", "/a", "--xen-library=/b", "-u"]);
    expect(last).toEqual({ library: "/b", direct: false });
  });
});

describe("Xen's actions", () => {
  test("--print-ckr-size does nothing else, and what follows it is not read", () => {
    for (const argv of [
      ["--print-ckr-size"],
      ["-l", "--print-ckr-size"],
      ["--print-ckr-size", "-e"],
      ["--print-ckr-size", "--bogus"],
      ["--doctor", "--print-ckr-size", "--doctor"],
      ["-f", "k", "--print-ckr-size"],
    ]) {
      expect(read(argv)).toEqual({ action: "print-crash-size", world: WORLD });
    }
    expect(text(["--bogus", "--print-ckr-size"])).toStartWith("usage 1");
  });

  test("--load-live-update loads, --exec-live-update starts, and neither is another image", () => {
    expect(happening(["--load-live-update", "k"])).toBe("check-supported load sync");
    expect(happening(["--exec-live-update", "-x", "-y"])).toBe(
      "check-supported require-loaded exec",
    );
    expect(text(["--load-live-update"])).toBe("usage 255 No kernel specified");
    expect(loaded(["-l", "k"]).purpose).toBe("normal");
  });
});
