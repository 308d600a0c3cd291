import { describe, expect, test } from "bun:test";
import { renderUsage } from "citty";
import { kexecCommand, runKexecCommand } from "../../src/cli/command.ts";
import { OPTIONS } from "../../src/cli/options.ts";
import { toRequest } from "../../src/cli/to-request.ts";
import { KexecError } from "../../src/core/error.ts";
import type { Request } from "../../src/model/request.ts";

const request = toRequest({
  argv0: "kexec",
  argv: ["-l", "--no-checks", "--append=--no-x", "k"],
  env: () => undefined,
});

describe("the command", () => {
  test("hands the request over as it is and returns the exit status", async () => {
    const seen: Request[] = [];
    const handle = (given: Request) => {
      seen.push(given);
      return 253;
    };
    expect(await runKexecCommand(request, handle)).toBe(253);
    expect(await runKexecCommand(request, async (given) => handle(given) - 253)).toBe(0);
    expect(seen).toHaveLength(2);
    for (const given of seen) expect(given).toBe(request);
  });

  test("lets errors through", async () => {
    const error = new KexecError({ code: "plan.no-room", message: "no room" });
    await expect(
      runKexecCommand(request, () => {
        throw error;
      }),
    ).rejects.toBe(error);
    await expect(runKexecCommand(request, () => Promise.reject(error))).rejects.toBe(error);
  });

  test("has every option of the table, for citty's own help", async () => {
    const help = Bun.stripANSI(await renderUsage(kexecCommand));
    for (const { name, short, argumentName } of OPTIONS) {
      const letter = short === null ? "" : `-${short}, `;
      const value = argumentName === "" ? "" : `=<${argumentName}>`;
      expect(help).toContain(` ${letter}--${name}${value} `);
    }
    expect(help).toContain("[KERNEL]");
  });
});
