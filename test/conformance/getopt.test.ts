/**
 * Our getopt beside glibc's own: a C program with the same table answers, for each command line,
 * what getopt_long returned, what it printed, and which operands were left.
 *
 * FC_SEED=NUMBER repeats a run; FC_RUNS=NUMBER makes it longer.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type CommandLine, getopt } from "../../src/cli/getopt.ts";
import { KEXEC_TOOLS_OPTIONS } from "../../src/cli/options.ts";
import type { Option } from "../../src/model/option.ts";
import { C_UNHEX, type CProgram, compileC, hexWord } from "./c-program.ts";

const SEED = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env.FC_RUNS ?? 6000);
const LETTERS = "h?vdfixyluet:pscaS";

/** getopt's value of an option: its letter, or the number of the row that it is a synonym of. */
function getoptValue(option: Option): number {
  if (option.short !== null) return option.short.charCodeAt(0);
  return 256 + KEXEC_TOOLS_OPTIONS.findIndex(({ name }) => name === option.synonymOf);
}

const C_SOURCE = `
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option table[] = {
${KEXEC_TOOLS_OPTIONS.map(
  (option: Option) =>
    `	{ "${option.name}", ${option.argument === "none" ? 0 : 1}, 0, ${getoptValue(option)} },`,
).join("\n")}
	{ 0, 0, 0, 0 }
};
${C_UNHEX}
static void put_hex(const char *text, size_t size)
{
	if (size == 0)
		putchar('.');
	while (size--)
		printf("%02x", (unsigned char)*text++);
}

/* A line is: P or -, argv0, arguments; all but the first in hex. */
int main(void)
{
	static char line[1 << 20];
	static char *argv[1 << 16];

	while (fgets(line, sizeof(line), stdin)) {
		char *messages = NULL;
		size_t size = 0;
		FILE *real = stderr, *memory;
		int argc = 0, value;
		char *word = strtok(line, " \\n");

		if (*word == 'P')
			setenv("POSIXLY_CORRECT", "", 1);
		else
			unsetenv("POSIXLY_CORRECT");
		while ((word = strtok(NULL, " \\n")))
			argv[argc++] = unhex(word);
		argv[argc] = NULL;
		optind = 0;
		for (;;) {
			memory = open_memstream(&messages, &size);
			stderr = memory;
			value = getopt_long(argc, argv, "${LETTERS}", table, NULL);
			stderr = real;
			fclose(memory);
			if (value == -1)
				break;
			printf("%d ", value);
			put_hex(messages, size);
			putchar(' ');
			if (value != '?' && optarg)
				put_hex(optarg, strlen(optarg));
			else
				putchar('-');
			putchar(' ');
			free(messages);
		}
		free(messages);
		printf("end");
		for (; optind < argc; optind++) {
			putchar(' ');
			put_hex(argv[optind], strlen(argv[optind]));
		}
		putchar('\\n');
	}
	return 0;
}
`;

let glibc: CProgram;
beforeAll(() => {
  glibc = compileC(C_SOURCE);
});
afterAll(() => glibc.remove());

const question = ({ argv0, argv, posixlyCorrect }: CommandLine) =>
  [posixlyCorrect ? "P" : "-", hexWord(argv0), ...argv.map(hexWord)].join(" ");

/** What the C program would have to answer. */
function ourAnswer(line: CommandLine): string {
  const { events, operands } = getopt(line, [KEXEC_TOOLS_OPTIONS]);
  const words = events.flatMap((event) => {
    if (event.kind === "error") {
      const printed = event.message === "" ? "" : `${event.message}\n`;
      return ["?".charCodeAt(0), hexWord(printed), "-"];
    }
    const argument = event.argument === null ? "-" : hexWord(event.argument);
    return [getoptValue(event.option), ".", argument];
  });
  return [...words, "end", ...operands.map(hexWord)].join(" ");
}

/** Every command line must be answered alike; the first that is not is shown. */
function compare(lines: readonly CommandLine[]): void {
  const theirs = glibc.answer(lines.map(question));
  lines.forEach((line, i) => {
    const ours = ourAnswer(line);
    if (ours !== theirs[i])
      expect({ line, answer: ours }).toEqual({ line, answer: theirs[i] ?? "" });
  });
}

/** The same command line with and without POSIXLY_CORRECT. */
const both = (argv: readonly string[], argv0 = "kexec"): CommandLine[] =>
  [false, true].map((posixlyCorrect) => ({ argv0, argv, posixlyCorrect }));

test("every abbreviation of every option, with and without an argument", () => {
  const words = KEXEC_TOOLS_OPTIONS.flatMap(({ name }) =>
    Array.from({ length: name.length + 1 }, (_, i) => `--${name.slice(0, i)}`).concat(`--${name}x`),
  );
  const lines = words.flatMap((word) =>
    [[word], [word, "x"], [word, "-l"], [`${word}=`], [`${word}=a=b`, "x"]].flatMap((argv) =>
      both(argv),
    ),
  );
  expect(lines.length).toBeGreaterThan(5000);
  compare(lines);
});

test("every byte as a letter, alone, in a cluster, and before an argument", () => {
  const bytes = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1));
  compare(
    bytes.flatMap((byte) =>
      [[`-${byte}`], [`-l${byte}d`, "x"], [`-${byte}`, "x", "-d"], [`--${byte}`]].flatMap((argv) =>
        both(argv),
      ),
    ),
  );
});

const name = fc.constantFrom(...KEXEC_TOOLS_OPTIONS.map((option) => option.name));
const anyByte = fc.integer({ min: 1, max: 255 }).map((byte) => String.fromCharCode(byte));
const anyText = fc.array(anyByte, { maxLength: 6 }).map((bytes) => bytes.join(""));
const word = fc.oneof(
  { weight: 3, arbitrary: name.map((n) => `--${n}`) },
  {
    weight: 3,
    arbitrary: fc.tuple(name, fc.nat(24)).map(([n, length]) => `--${n.slice(0, length)}`),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(name, fc.nat(24), anyText)
      .map(([n, length, text]) => `--${n.slice(0, length)}=${text}`),
  },
  {
    weight: 3,
    arbitrary: fc
      .array(fc.constantFrom(..."h?vdfixyluetpscaSZ:-="), { minLength: 1, maxLength: 5 })
      .map((letters) => `-${letters.join("")}`),
  },
  { weight: 3, arbitrary: fc.constantFrom("k", "-", "", "--", "vmlinuz", "a b", "-t", "elf") },
  { weight: 1, arbitrary: anyText },
);
const commandLine: fc.Arbitrary<CommandLine> = fc.record({
  argv0: fc.oneof(fc.constantFrom("kexec", "/sbin/kexec", ""), anyText),
  argv: fc.array(word, { maxLength: 9 }),
  posixlyCorrect: fc.boolean(),
});

test(
  `${RUNS} generated command lines (seed ${SEED})`,
  () => {
    const lines = fc.sample(commandLine, { numRuns: RUNS, seed: SEED });
    compare(lines);
    // The lines must not all be errors, or nothing much was compared.
    const clean = lines.filter((line) => !getopt(line).events.some(({ kind }) => kind === "error"));
    expect(clean.length).toBeGreaterThan(RUNS / 10);
  },
  5000 + RUNS,
);
