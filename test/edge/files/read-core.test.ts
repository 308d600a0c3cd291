import { expect, test } from "bun:test";
import { wasClosed } from "../../../src/edge/process/output.ts";

test("wasClosed: O_CLOEXEC marks a descriptor that the runtime opened itself", () => {
  const info = (flags: string) => `pos:\t0\nflags:\t${flags}\nmnt_id:\t23\nino:\t3\n`;
  expect(wasClosed(info("02100002"))).toBeTrue();
  for (const flags of ["0100001", "01", "0100002", "02"]) {
    expect(wasClosed(info(flags))).toBeFalse();
  }
  expect(wasClosed("")).toBeFalse();
});
