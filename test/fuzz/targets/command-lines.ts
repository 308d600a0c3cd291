/** The program's own arguments, and the kernel's command line. */

import { toRequest } from "../../../src/cli/to-request.ts";
import { CommandLine, parameters } from "../../../src/core/command-line.ts";
import { strtoul } from "../../../src/core/strtoul.ts";
import { textTarget } from "../target.ts";

/** Words are separated by NUL, as in /proc/PID/cmdline. */
const words = (...all: readonly string[]): string => all.join("\0");

const ARGUMENTS = [
  words("-l", "/boot/vmlinuz", "--initrd=/boot/initrd", "--append=quiet", "--reuse-cmdline"),
  words("-p", "-s", "/boot/vmlinuz", "--command-line=root=/dev/vda1", "--hotplug", "-d"),
  words("-c", "-l", "--type=bzImage64", "--mem-min=0x100000", "--mem-max=0x3fffffff", "k"),
  words("-u", "-p"),
  words("-S", "--dry-run=json", "--facts=f.json"),
  words("--load-preserve-context", "--entry=0x1000", "--console-serial", "--serial-baud=9600", "k"),
  words("--module=/m a b", "--module=/n", "-l", "--", "-k"),
  words("-e", "-x", "-y", "--debug", "--doctor=json"),
];

function readArguments(text: string): void {
  toRequest({ argv0: "kexec", argv: text.split("\0"), env: () => undefined });
}

const LIMIT = { max: 2048, who: "this kernel", source: "" };

/** Parameters are pieces of the command line: in order, not empty, with only blanks between. */
function readCommandLine(text: string): void {
  let end = 0;
  for (const one of parameters(text)) {
    const between = text.slice(end, one.start);
    if (one.start < end || one.end <= one.start || !/^[ \t\n\v\f\r]*$/.test(between)) {
      throw new Error(`a parameter from ${one.start} to ${one.end}, the one before ends at ${end}`);
    }
    end = one.end;
  }
  const line = CommandLine.of(text, LIMIT);
  if (line.text !== text) throw new Error("the command line is another one");
}

export const COMMAND_LINES = [
  textTarget("arguments/request", ARGUMENTS, readArguments),
  textTarget(
    "arguments/kernel-command-line",
    ['root=/dev/vda1 quiet dyndbg="file x +p" crashkernel=128M,high -- init=/bin/sh'],
    readCommandLine,
  ),
  textTarget("arguments/number", ["0x1000", "010", "4096"], (text) => {
    for (const base of [0, 16] as const) {
      const value = strtoul(text, base);
      if (value !== null && (value < 0n || value >= 1n << 64n)) throw new Error(`${value}`);
    }
  }),
];
