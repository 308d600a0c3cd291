import { describe, expect, test } from "bun:test";
import { argumentsOf, readVariable, variableOf } from "../../../src/edge/process/arguments.ts";
import { refusal } from "../../kexec-error.ts";
import { runScript } from "../run-script.ts";

const COMPILED = ["bun", "/$bunfs/root/kexec"];
const SCRIPT = ["/usr/bin/bun", "/work/src/main.ts"];

describe("argumentsOf", () => {
  test.each([
    ["no arguments", "/sbin/kexec\0", [...COMPILED], "/sbin/kexec", []],
    ["arguments", "kexec\0-l\0K\0", [...COMPILED, "-l", "K"], "kexec", ["-l", "K"]],
    [
      "empty arguments",
      "kexec\0--append\0\0",
      [...COMPILED, "--append", ""],
      "kexec",
      ["--append", ""],
    ],
    ["only empty arguments", "kexec\0\0\0", [...COMPILED, "", ""], "kexec", ["", ""]],
    ["bytes that are not UTF-8", "kexec\0b\xe4r\0", [...COMPILED, "b\ufffdr"], "kexec", ["b\xe4r"]],
    ["an empty name", "\0-v\0", [...COMPILED, "-v"], "", ["-v"]],
    ["no name at all", "", [...COMPILED], "", []],
    ["a script", "bun\0src/main.ts\0-v\0", [...SCRIPT, "-v"], "src/main.ts", ["-v"]],
    [
      "a script, the runtime's options",
      "bun\0--smol\0run\0m.ts\0-v\0",
      [...SCRIPT, "-v"],
      "m.ts",
      ["-v"],
    ],
  ])("%s", (_name, cmdline, runtimeArgv, argv0, argv) => {
    expect(argumentsOf(cmdline, runtimeArgv, argv0)).toEqual({ argv0, argv });
  });

  test.each([
    ["nothing", ""],
    ["too little", "kexec\0-l\0"],
    ["another program's words", "init\0-e\0K\0"],
  ])("where /proc/self/cmdline has %s, the runtime's own list serves", (_, cmdline) => {
    const { argv0, argv } = argumentsOf(cmdline, [...COMPILED, "-l", "K\u00e4"], "/sbin/kexec");
    expect({ argv0, argv }).toEqual({ argv0: "/sbin/kexec", argv: ["-l", "K\xc3\xa4"] });
  });

  test("a word that the runtime has lost bytes of is not guessed", () => {
    const error = refusal(() => argumentsOf("", [...COMPILED, "-l", "K\ufffd"], "kexec"));
    expect(error.code).toBe("host.arguments");
    expect(error.exitStatus).toBe(255);
  });
});

test("the arguments of a real process, byte by byte", () => {
  const ran = runScript(
    `import { readArguments } from "@src/edge/process/arguments.ts";
     process.stdout.write(JSON.stringify(readArguments().argv));`,
    { args: ["--append", "", "-d", "two words", "--", "-"] },
  );
  expect(JSON.parse(ran.stdout)).toEqual(["--append", "", "-d", "two words", "--", "-"]);
});

test.each([
  ["POSIXLY_CORRECT", ""],
  ["PATH", "/bin"],
  ["ATH", undefined],
  ["PATH=", undefined],
  ["X", "a=b"],
])("variableOf %s", (name, value) => {
  expect(variableOf("PATH=/bin\0POSIXLY_CORRECT=\0X=a=b\0", name)).toBe(value);
});

test("a variable of this process's environment", () => {
  expect(readVariable("PATH")).toBe(process.env.PATH ?? "");
  expect(readVariable("NO_SUCH_VARIABLE")).toBeUndefined();
});
