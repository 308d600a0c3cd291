/** Our strtoul beside glibc's own. FC_SEED and FC_RUNS as in getopt.test.ts. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { strtoul } from "../../src/core/strtoul.ts";
import { C_UNHEX, type CProgram, compileC, hexWord } from "./c-program.ts";

const SEED = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env.FC_RUNS ?? 6000);

const C_SOURCE = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
${C_UNHEX}
int main(void)
{
	static char line[1 << 16];
	char *end;

	while (fgets(line, sizeof(line), stdin)) {
		int base = atoi(strtok(line, " \\n"));
		unsigned long value = strtoul(unhex(strtok(NULL, " \\n")), &end, base);

		if (*end)
			puts("null");
		else
			printf("%lu\\n", value);
	}
	return 0;
}
`;

let glibc: CProgram;
beforeAll(() => {
  glibc = compileC(C_SOURCE);
});
afterAll(() => glibc.remove());

const piece = fc.oneof(
  fc.constantFrom(" ", "\t", "\v", "\n", "+", "-", "0x", "0X", "0", "07", "9", "ff", "G", "z"),
  fc.bigInt({ min: 0n, max: 1n << 66n }).map(String),
  fc.bigInt({ min: 0n, max: 1n << 66n }).map((value) => value.toString(16)),
  fc.bigInt({ min: 0n, max: 1n << 66n }).map((value) => value.toString(8)),
  fc.integer({ min: 1, max: 255 }).map((byte) => String.fromCharCode(byte)),
);
const number = fc.record({
  base: fc.constantFrom<0 | 16>(0, 16),
  text: fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join("")),
});

test(
  `${RUNS} generated numbers (seed ${SEED})`,
  () => {
    const numbers = fc.sample(number, { numRuns: RUNS, seed: SEED });
    const answers = glibc.answer(numbers.map(({ base, text }) => `${base} ${hexWord(text)}`));
    numbers.forEach(({ base, text }, i) => {
      expect({ base, text, value: String(strtoul(text, base)) }).toEqual({
        base,
        text,
        value: answers[i] ?? "",
      });
    });
    expect(answers.filter((answer) => answer !== "null").length).toBeGreaterThan(RUNS / 10);
  },
  5000 + RUNS,
);
