import { expect, test } from "bun:test";
import { parseCapEff } from "../../src/facts/proc-status.ts";
import { CAP_SYS_BOOT } from "../../src/model/host-facts.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

const STATUS = `Name:\tCapEff: 0
CapInh:\t0000000000000000
CapPrm:\t000001ffffffffff
CapEff:\t00000000a80425fb
CapBnd:\t000001ffffffffff
`;

test("parseCapEff() takes the effective set, from its own line", () => {
  expect(parseCapEff(STATUS)).toBe(0xa80425fbn);
  expect(parseCapEff(STATUS) & CAP_SYS_BOOT).toBe(0n);
  expect(parseCapEff("CapEff:\t000001ffffffffff\n") & CAP_SYS_BOOT).toBe(CAP_SYS_BOOT);
});

test.each(["", "CapPrm:\t0\n", "CapEff:\n", "CapEff:\txyz\n", "CapEff:\t00000000000000000\n"])(
  "%j is refused",
  (text) => {
    expect(refusal(() => parseCapEff(text)).code).toBe("facts.proc-status");
  },
);

test("damaged texts throw nothing but KexecErrors", () => {
  textSurvivesDamage(STATUS, parseCapEff);
});
