import { expect, test } from "bun:test";
import { wasClosed } from "../../../src/edge/process/output.ts";

test("a standard output that the runtime opened in place of a closed one", () => {
  const info = (flags: string) => `pos:\t0\nflags:\t${flags}\nmnt_id:\t23\nino:\t3\n`;
  expect(wasClosed(info("02100002"))).toBeTrue();
  for (const flags of ["0100001", "01", "0100002", "02"]) {
    expect(wasClosed(info(flags))).toBeFalse();
  }
  expect(wasClosed("")).toBeFalse();
});
