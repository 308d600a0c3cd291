import { expect, test } from "bun:test";
import { mountPoints } from "../../src/facts/mounts.ts";
import { textSurvivesDamage } from "./damage.ts";

const MOUNTS = `proc /proc proc rw 0 0
none /other\\040place\\134x sysfs rw,nosuid 0 0
sysfs /sys sysfs rw 0 0
sysfs /tmp tmpfs rw 0 0
`;

test("mountPoints() goes by type, not by name, and undoes escapes", () => {
  expect(mountPoints(MOUNTS, "sysfs")).toEqual(["/other place\\x", "/sys"]);
  expect(mountPoints(MOUNTS, "debugfs")).toEqual([]);
});

test("damaged texts throw nothing", () => {
  textSurvivesDamage(MOUNTS, (text) => mountPoints(text, "sysfs"));
});
