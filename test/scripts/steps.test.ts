/** What a long script shows: plain lines where they stay, and one live line on a terminal only. */

import { describe, expect, test } from "bun:test";
import { type Screen, Steps, showSeconds } from "../../scripts/steps.ts";

const ERASE = "\r\x1b[K";

interface FakeScreen extends Screen {
  text: string;
}

function fakeScreen(terminal: Pick<Screen, "isTTY" | "columns">): FakeScreen {
  const screen: FakeScreen = {
    ...terminal,
    text: "",
    write: (text: string) => {
      screen.text += text;
    },
  };
  return screen;
}

/** A step that waits long enough for the live line to be drawn again. */
async function tell(screen: Screen, environment: Record<string, string>): Promise<Steps> {
  const steps = new Steps(screen, environment);
  steps.begin("boot", "Boot a kernel");
  steps.command("kexec -e");
  steps.note("a note that is much longer than the terminal is wide");
  await Bun.sleep(300);
  steps.line("Linux is up");
  steps.end();
  return steps;
}

const PLAIN = [
  "",
  "Boot a kernel",
  "    # kexec -e",
  "    Linux is up",
  expect.stringMatching(/^ {4}done in \d\.\d s$/),
  "",
];

describe("plain lines", () => {
  test.each([
    ["in a pipe", { columns: 80 }, {}],
    ["in a pipe with a named terminal", { columns: 80 }, { TERM: "xterm" }],
    ["on a terminal that can nothing", { isTTY: true, columns: 80 }, { TERM: "dumb" }],
    ["on a serial console without a size", { isTTY: true, columns: 0 }, { NO_COLOR: "1" }],
    ["on a terminal without a size", { isTTY: true }, { NO_COLOR: "1" }],
  ])("%s", async (_, terminal, environment) => {
    const screen = fakeScreen(terminal);
    await tell(screen, environment);
    expect(screen.text.split("\n")).toEqual(PLAIN);
  });
});

describe("a terminal", () => {
  test("gets a live line that never wraps and does not stay", async () => {
    const screen = fakeScreen({ isTTY: true, columns: 30 });
    await tell(screen, { NO_COLOR: "1" });
    const drawn = screen.text.split(ERASE);
    expect(drawn.length).toBeGreaterThan(5);
    const live = drawn.filter((text) => text !== "" && !text.includes("\n"));
    expect(live.some((text) => text.includes("a note"))).toBe(true);
    expect(Math.max(...live.map((text) => text.length))).toBeLessThan(30);
    // What a terminal shows of a line is what follows the last erasure.
    const kept = screen.text.split("\n").map((line) => line.split(ERASE).at(-1));
    expect(kept).toEqual(PLAIN);
  });

  test("gets colours unless NO_COLOR says no", async () => {
    const coloured = fakeScreen({ isTTY: true, columns: 80 });
    const plain = fakeScreen({ isTTY: true, columns: 80 });
    await tell(coloured, {});
    await tell(plain, { NO_COLOR: "1" });
    expect(coloured.text).toContain("\x1b[1mBoot a kernel\x1b[0m\n");
    expect(plain.text.replaceAll(ERASE, "")).not.toContain("\x1b");
  });

  test("is not controlled by what a program in the machine prints", () => {
    const screen = fakeScreen({ isTTY: true, columns: 80 });
    new Steps(screen, { NO_COLOR: "1" }).line("\x1b[2J\x1b[31mred\x07\rhome\x9b1m");
    expect(screen.text).toBe(`${ERASE}    red  home\n`);
  });
});

test("a step that fails says so, how long it took, and every line of the reason", () => {
  const screen = fakeScreen({});
  const steps = new Steps(screen, {});
  steps.begin("boot", "Boot a kernel");
  steps.fail("no QEMU\ntry: install it");
  expect(screen.text).toMatch(/ {4}FAILED after \d\.\d s\n {4}no QEMU\n {4}try: install it\n$/);
  expect(steps.finished).toEqual([]);
});

test("what is finished is remembered with its time", async () => {
  const { finished } = await tell(fakeScreen({}), {});
  expect(finished.map(({ name }) => name)).toEqual(["boot"]);
  expect(finished[0]?.seconds).toBeGreaterThan(0.25);
});

test.each([
  [0, "0.0 s"],
  [3.44, "3.4 s"],
  [99.9, "99.9 s"],
  [125.4, "2 min 5 s"],
])("%d seconds are shown as %s", (seconds, text) => {
  expect(showSeconds(seconds)).toBe(text);
});
