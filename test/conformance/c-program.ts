/** Compiles a small C program in a directory of its own and asks it: a line in, a line out. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CProgram {
  /** Runs the program once over all `lines` and returns its lines of output. */
  answer(lines: readonly string[]): string[];
  /** Deletes it. */
  remove(): void;
}

/** A byte string as the C programs of these tests read it; `.` is the empty one. */
export function hexWord(text: string): string {
  return text === "" ? "." : Buffer.from(text, "latin1").toString("hex");
}

/** @throws where there is no C compiler: then these tests fail, for nothing was compared */
export function compileC(source: string): CProgram {
  const directory = mkdtempSync(join(tmpdir(), "onekexec-c-"));
  const program = join(directory, "program");
  writeFileSync(`${program}.c`, source);
  execFileSync("gcc", ["-O1", "-Wall", "-Werror", "-o", program, `${program}.c`]);
  return {
    answer: (lines) => {
      const input = lines.map((line) => `${line}\n`).join("");
      const output = execFileSync(program, { input, maxBuffer: 1 << 28 });
      const answers = output.toString("latin1").split("\n");
      if (answers.pop() !== "" || answers.length !== lines.length) {
        throw new Error(`${lines.length} lines in, ${answers.length} out`);
      }
      return answers;
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** Reads a hex word of these tests in place; for the C sources. */
export const C_UNHEX = `
static char *unhex(char *word)
{
	char *in = word, *out = word;
	unsigned byte;

	if (!strcmp(word, "."))
		in++;
	for (; *in; in += 2) {
		sscanf(in, "%2x", &byte);
		*out++ = byte;
	}
	*out = 0;
	return word;
}
`;
