/** The head of the parameter block of all purgatories: contract.h against parameters.ts. */

import { describe, expect, test } from "bun:test";
import { TARGETS } from "../../scripts/purgatory.ts";
import { x86Purgatory } from "../../src/arch/x86-64/purgatory/index.ts";
import {
  ENTRY_START,
  PARAMETERS_MAGIC,
  PARAMETERS_VERSION,
  ParameterFlag,
  purgatoryHead,
  purgatoryRegion,
  REGIONS_MAX,
} from "../../src/purgatory/parameters.ts";
import { definesOf, numbersOf, offsetsOf } from "./defines.ts";

describe("contract.h and the tables agree on", () => {
  const defines = definesOf("purgatory/contract.h");

  test("the head of the parameter block", () => {
    expect(numbersOf(defines, "PARAMETERS_")).toEqual({
      ...offsetsOf("PARAMETERS_", purgatoryHead.fields),
      PARAMETERS_ENTRY: BigInt(ENTRY_START),
      PARAMETERS_END: BigInt(purgatoryHead.size),
      PARAMETERS_IN_BLOB: BigInt(x86Purgatory().manifest.parameterOffset),
      PARAMETERS_MAGIC_VALUE: PARAMETERS_MAGIC,
      PARAMETERS_VERSION_NOW: BigInt(PARAMETERS_VERSION),
    });
  });

  test("a region", () => {
    expect(numbersOf(defines, "REGION_")).toEqual({
      ...offsetsOf("REGION_", purgatoryRegion.fields),
      REGION_END: BigInt(purgatoryRegion.size),
    });
    expect(numbersOf(defines, "REGIONS_")).toEqual({ REGIONS_MAX: BigInt(REGIONS_MAX) });
  });

  test("the flags", () => {
    const { skipChecks, consoleVga, consoleSerial, resetVga } = ParameterFlag;
    expect(numbersOf(defines, "FLAG_")).toEqual({
      FLAG_SKIP_CHECKS: BigInt(skipChecks),
      FLAG_CONSOLE_VGA: BigInt(consoleVga),
      FLAG_CONSOLE_SERIAL: BigInt(consoleSerial),
      FLAG_RESET_VGA: BigInt(resetVga),
    });
  });
});

test("scripts/purgatory.ts has one row for each architecture, with a folder of its own", () => {
  const names = TARGETS.map(({ architecture }) => architecture);
  const folders = TARGETS.map(({ folder }) => folder);
  expect(new Set(names).size).toBe(names.length);
  expect(new Set(folders).size).toBe(folders.length);
  expect(folders.every((folder) => /^arch\/[^/]+\/purgatory$/.test(folder))).toBe(true);
});
