import { describe, expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import { outputTo, type Write } from "../../../src/edge/process/output.ts";
import { runScript } from "../run-script.ts";

class SystemError extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`error ${errno}`);
    this.errno = -errno;
  }
}

const { EINTR, EAGAIN } = Errno;

/** Writes at most `most` bytes a call; first throws each of `errors` once. */
function reader(
  most: number,
  errors: number[],
): { write: Write; taken: string[]; calls: number[] } {
  const taken: string[] = [];
  const calls: number[] = [];
  return {
    taken,
    calls,
    write(bytes, from) {
      calls.push(from);
      const errno = errors.shift();
      if (errno !== undefined) throw new SystemError(errno);
      const piece = bytes.subarray(from, from + most);
      taken.push(Buffer.from(piece).toString("latin1"));
      return piece.length;
    },
  };
}

describe("outputTo", () => {
  test.each([1, 3, 100])("all bytes arrive where write(2) takes %i at a time", (most) => {
    const { write, taken } = reader(most, []);
    outputTo(write)("b\xe4r and more\n");
    expect(taken.join("")).toBe("b\xe4r and more\n");
  });

  test("a write that fails with EAGAIN is repeated", () => {
    const { write, taken } = reader(2, [EAGAIN, EINTR, EAGAIN]);
    outputTo(write)("abcde");
    expect(taken).toEqual(["ab", "cd", "e"]);
  });

  test.each(["EPIPE", "ENOSPC", "EIO"] as const)(
    "after %s it is silent, and does not ask again",
    (error) => {
      const { write, calls } = reader(100, [Errno[error]]);
      const out = outputTo(write);
      out("one");
      out("two");
      expect(calls).toEqual([0]);
    },
  );

  test("an error that is not of a system call is thrown", () => {
    const out = outputTo(() => {
      throw new TypeError("a bug");
    });
    expect(() => out("x")).toThrow("a bug");
  });

  test("an empty text writes nothing", () => {
    const { write, calls } = reader(1, []);
    outputTo(write)("");
    expect(calls).toEqual([]);
  });
});

test.each([
  ["a closed pipe", "| true", "null"],
  ["a full disk", "> /dev/full", "ENOSPC: no space left on device"],
  ["a closed descriptor", ">&-", "EBADF: bad file descriptor"],
])("%s ends nothing, and is told as what it is", (_name, redirection, lost) => {
  const ran = runScript(
    `import { lostOutput, stderr, stdout } from "@src/edge/process/output.ts";
     for (let i = 0; i < 300; i += 1) stdout("x".repeat(1000) + "\\n");
     stderr(String(lostOutput()));
     process.exit(7);`,
    { under: ["bash", "-c", `"$0" "$@" ${redirection}; exit "\${PIPESTATUS[0]}"`] },
  );
  expect(ran).toEqual({ status: 7, stdout: "", stderr: lost });
});
