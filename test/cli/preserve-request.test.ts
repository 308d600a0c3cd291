/** The command line of a kernel that is to give the machine back. */

import { describe, expect, test } from "bun:test";
import { loaded, refusal, steps } from "./command-lines.ts";

const PRESERVE = ["--load-preserve-context", "--mem-max=0xfffffff"];

describe("the kernel that is to give the machine back", () => {
  test("needs a highest address", () => {
    const error = refusal(["--load-preserve-context", "k"]);
    expect([error.message, error.exitStatus]).toEqual([
      "Please specify memory range used by kexeced kernel\n" +
        'to preserve the context of original kernel with \n"--mem-max" parameter',
      1,
    ]);
  });

  test("needs none where only its status is asked for", () => {
    expect(steps(["--load-preserve-context", "-S"])).toEqual([
      { kind: "status", purpose: "preserve-context" },
    ]);
  });

  test.each([
    [[...PRESERVE, "-s", "k"], "--load-preserve-context not supported with kexec_file_load"],
    [
      ["--load-jump-back-helper", "-s"],
      "--load-jump-back-helper not supported with kexec_file_load",
    ],
  ])("%j", (argv, message) => {
    const error = refusal(argv);
    expect([error.message, error.exitStatus]).toEqual([message, 1]);
  });

  test("is one of the things of which the last counts", () => {
    expect(loaded([...PRESERVE, "-p", "k"]).purpose).toBe("crash");
    expect(loaded(["-p", ...PRESERVE, "k"]).purpose).toBe("preserve-context");
  });
});
