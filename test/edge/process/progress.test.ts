import { expect, test } from "bun:test";
import { type Terminal, withProgress } from "../../../src/edge/process/progress.ts";

const TOTAL = 1 << 30;

/** A terminal whose clock advances by `step` milliseconds at each call of now(). */
function terminal(columns: number | null, step: number): Terminal & { readonly shown: string[] } {
  let now = 0;
  const shown: string[] = [];
  return {
    shown,
    columns: () => columns,
    write: (text) => shown.push(text),
    now() {
      now += step;
      return now;
    },
  };
}

/** Simulates a read in `pieces`; returns its result. */
function readIn(pieces: number, screen: Terminal): number {
  return withProgress(
    "Reading initrd",
    (observe) => {
      for (let i = 1; i <= pieces; i += 1) observe((TOTAL / pieces) * i, TOTAL);
      return pieces;
    },
    screen,
  );
}

/** The text of the screen line after all writes. */
function lineAfter(shown: readonly string[]): string {
  let line = "";
  for (const part of shown.join("").split("\r")) line = part + line.slice(part.length);
  return line.trimEnd();
}

test("a short read shows nothing", () => {
  const screen = terminal(80, 10);
  expect(readIn(40, screen)).toBe(40);
  expect(screen.shown).toEqual([]);
});

test("a long read updates its line at intervals, and erases it at the end", () => {
  const screen = terminal(80, 100);
  readIn(40, screen);
  expect(screen.shown[0]).toMatch(/^\rReading initrd \[#+\.+\] +\d+% of 1 GiB$/);
  expect(screen.shown.length).toBeGreaterThan(5);
  expect(screen.shown.length).toBeLessThan(20);
  expect(lineAfter(screen.shown)).toBe("");
});

test("the output has no escape sequence and no line feed", () => {
  const screen = terminal(0, 100);
  readIn(40, screen);
  expect(screen.shown.join("")).toMatch(/^[\r -~]+$/);
});

test("without a terminal nothing is written", () => {
  const screen = terminal(null, 1000);
  readIn(40, screen);
  expect(screen.shown).toEqual([]);
});

test("a read that fails erases its line too", () => {
  const screen = terminal(80, 1000);
  const read = () =>
    withProgress(
      "Reading initrd",
      (observe) => {
        observe(1, TOTAL);
        throw new RangeError("unreadable");
      },
      screen,
    );
  expect(read).toThrow("unreadable");
  expect(screen.shown.length).toBe(2);
  expect(lineAfter(screen.shown)).toBe("");
});
