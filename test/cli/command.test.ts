import { describe, expect, test } from "bun:test";
import { renderUsage } from "citty";
import { kexecCommand, runStory, type Stage, type Stories } from "../../src/cli/command.ts";
import { OPTIONS } from "../../src/cli/options.ts";
import { KexecError } from "../../src/core/error.ts";
import type { Action } from "../../src/model/request.ts";
import { read, request } from "./command-lines.ts";

const STAGE: Stage = {
  console: {
    argv0: "kexec",
    argv: [],
    env: () => undefined,
    stdout() {},
    lostOutput: () => null,
    stderr() {},
  },
  openWorld: () => Promise.reject(new Error("no world is needed")),
};

/** Stories that write down that they were loaded, and what they were told. */
function recorded(end: () => number | Promise<number>) {
  const loaded: Action[] = [];
  const told: unknown[] = [];
  const story = (action: Action) => async () => {
    loaded.push(action);
    return (...args: readonly unknown[]) => {
      told.push(...args);
      return end();
    };
  };
  const stories: Stories = {
    run: story("run"),
    "dry-run": story("dry-run"),
    doctor: story("doctor"),
    "save-facts": story("save-facts"),
    "print-crash-size": story("print-crash-size"),
    help: story("help"),
    version: story("version"),
    usage: story("usage"),
  };
  return { loaded, told, stories };
}

describe("the command", () => {
  test.each([
    ["-l k", "run"],
    ["--dry-run k", "dry-run"],
    ["--doctor", "doctor"],
    ["--save-facts=f", "save-facts"],
    ["--print-ckr-size", "print-crash-size"],
    ["-h", "help"],
    ["-v", "version"],
    ["--bogus", "usage"],
  ] as const)(
    "kexec %s: only the story %s is loaded, and gets the request",
    async (line, action) => {
      const { loaded, told, stories } = recorded(async () => 253);
      const given = read(line.split(" "));
      expect(await runStory(given.action, given, stories, STAGE)).toBe(253);
      expect(loaded).toEqual([action]);
      expect(told).toEqual([given, STAGE]);
    },
  );

  test("lets errors through", async () => {
    const error = new KexecError({ code: "plan.no-room", message: "no room" });
    const given = request("help", ["-h"]);
    const throwing = recorded(() => {
      throw error;
    });
    await expect(runStory("help", given, throwing.stories, STAGE)).rejects.toBe(error);
    const rejecting = recorded(() => Promise.reject(error));
    await expect(runStory("help", given, rejecting.stories, STAGE)).rejects.toBe(error);
  });

  test("has every option of the table, for citty's own help", async () => {
    const help = Bun.stripANSI(await renderUsage(kexecCommand));
    for (const { name, short, argumentName } of OPTIONS) {
      const letter = short === null ? "" : `-${short}, `;
      const value = argumentName === "" ? "" : `=<${argumentName}>`;
      expect(help).toContain(` ${letter}--${name}${value} `);
    }
    expect(help).toContain("[KERNEL]");
    expect(help).toContain("Start another kernel from the running one");
  });
});
