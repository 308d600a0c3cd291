import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type GetoptEvent, getopt } from "../../src/cli/getopt.ts";
import { KEXEC_TOOLS_OPTIONS, OPTIONS } from "../../src/cli/options.ts";

const parse = (argv: readonly string[], posixlyCorrect = false, argv0 = "kexec") =>
  getopt({ argv0, argv, posixlyCorrect });
const show = (event: GetoptEvent) => {
  if (event.kind === "error") return `! ${event.message}`;
  return event.argument === null ? event.option.name : `${event.option.name}=${event.argument}`;
};
const read = (argv: readonly string[], posixlyCorrect = false) => {
  const { events, operands } = parse(argv, posixlyCorrect);
  return [...events.map(show), ...operands.map((operand) => `[${operand}]`)].join(" ");
};

describe("options and operands", () => {
  test.each([
    [[], ""],
    [["-l", "k"], "load [k]"],
    [["k", "-l"], "load [k]"],
    [["k", "-l", "--", "-e"], "load [k] [-e]"],
    [["--", "-l", "--", "k"], "[-l] [--] [k]"],
    [["-"], "[-]"],
    [["", "-l"], "load []"],
    [["-cl", "k"], "kexec-syscall load [k]"],
    [["-ltbzImage", "k"], "load type=bzImage [k]"],
    [["-lt", "bzImage", "k"], "load type=bzImage [k]"],
    [["-t=elf"], "type==elf"],
    [["-t", "--", "k"], "type=-- [k]"],
    [["--type", "--", "k"], "type=-- [k]"],
    [["--append", "--noefi"], "append=--noefi"],
    [["--append="], "append="],
    [["--append", ""], "append="],
    [["--append=a=b", "--initrd", "i"], "append=a=b initrd=i"],
    [["--append=\xff\x80\n"], "append=\xff\x80\n"],
    [["--app=x", "--init=y", "--command-l=z"], "append=x initrd=y command-line=z"],
    [
      ["--load", "--loa"],
      "load ! kexec: option '--loa' is ambiguous; possibilities: '--load' '--load-preserve-context' '--load-jump-back-helper' '--load-live-update' '--load-panic'",
    ],
    [["--kexec-syscall"], "kexec-syscall"],
  ])("%j", (argv, expected) => {
    expect(read(argv)).toBe(expected);
  });

  test.each([
    [["-l", "k", "-d"], "load [k] [-d]"],
    [["k", "--", "-d"], "[k] [--] [-d]"],
    [["-l", "--", "k", "-d"], "load [k] [-d]"],
    [["-t", "k", "-d"], "type=k debug"],
  ])("%j with POSIXLY_CORRECT", (argv, expected) => {
    expect(read(argv, true)).toBe(expected);
  });
});

describe("messages", () => {
  test.each([
    ["--bogus", "unrecognized option '--bogus'"],
    ["--bogus=1", "unrecognized option '--bogus=1'"],
    ["--load=1", "option '--load' doesn't allow an argument"],
    ["--no-i=1", "option '--no-ifdown' doesn't allow an argument"],
    ["--append", "option '--append' requires an argument"],
    ["--ini", "option '--initrd' requires an argument"],
    ["-Z", "invalid option -- 'Z'"],
    ["-:", "invalid option -- ':'"],
    ["-\xe9", "invalid option -- '\xe9'"],
    ["-t", "option requires an argument -- 't'"],
    [
      "--load-p",
      "option '--load-p' is ambiguous; possibilities: '--load-preserve-context' '--load-panic'",
    ],
    [
      "--reuse=x",
      "option '--reuse=x' is ambiguous; possibilities: '--reuseinitrd' '--reuse-video-type' '--reuse-cmdline'",
    ],
    ["--d", "option '--d' is ambiguous; possibilities: '--debug' '--dtb'"],
    ["--facts", "option '--facts' requires an argument"],
  ])("%s", (arg, message) => {
    for (const argv0 of ["kexec", "/sbin/kexec", "", "k\xffx"]) {
      expect(parse([arg], false, argv0).events).toEqual([
        { kind: "error", message: `${argv0}: ${message}` },
      ]);
    }
  });

  test("-? is an error without a message, and what follows is still read", () => {
    expect(read(["-l?Zd"])).toBe("load !  ! kexec: invalid option -- 'Z' debug");
  });

  test("the empty name is every option's abbreviation", () => {
    const list = KEXEC_TOOLS_OPTIONS.map(({ name }) => `'--${name}'`).join(" ");
    expect(read(["--=x"])).toBe(`! kexec: option '--=x' is ambiguous; possibilities: ${list}`);
  });
});

describe("our own options", () => {
  test.each([
    [["--dry-run", "k"], "dry-run [k]"],
    [["--dry-run=json"], "dry-run=json"],
    [["--dr=text"], "dry-run=text"],
    [["--fa", "f"], "facts=f"],
    [["--sa=f"], "save-facts=f"],
    [["--save-facts", "f"], "save-facts=f"],
  ])("%j", (argv, expected) => {
    expect(read(argv)).toBe(expected);
  });

  test("change nothing that kexec-tools' options alone would make of a word", () => {
    const words = OPTIONS.flatMap(({ name }) =>
      Array.from({ length: name.length + 1 }, (_, i) => `--${name.slice(0, i)}`),
    );
    let shared = 0;
    for (const word of words.flatMap((text) => [`${text}=x`, text]).filter((w) => w !== "--")) {
      const line = { argv0: "kexec", argv: [word, "y"], posixlyCorrect: false };
      const alone = getopt(line, [KEXEC_TOOLS_OPTIONS]);
      const first = alone.events[0];
      if (first?.kind === "error" && first.message.includes("unrecognized")) continue;
      expect(getopt(line)).toEqual(alone);
      shared += 1;
    }
    expect(shared).toBeGreaterThan(600);
  });
});

/** Words that are complete in themselves: no next word belongs to them. */
const optionWord = fc.oneof(
  fc.constantFrom("-l", "-d", "-cl", "-telf", "--load", "--append=x", "--mem-min=1", "--bogus"),
  fc.constantFrom("-Z", "--reuse", "--load=1", "--dry-run", "-?"),
);
const operandWord = fc.constantFrom("k", "vmlinuz", "-", "", "a b", "\xff");

test("operands may stand anywhere among the options", () => {
  fc.assert(
    fc.property(
      fc.array(optionWord, { maxLength: 6 }),
      fc.array(operandWord, { maxLength: 4 }),
      fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
      (options, operands, places) => {
        const mixed: string[] = [...options];
        let from = 0;
        operands.forEach((operand, i) => {
          const at = from + ((places[i] ?? 0) % (mixed.length + 1 - from));
          mixed.splice(at, 0, operand);
          from = at + 1;
        });
        expect(parse(mixed)).toEqual(parse([...options, ...operands]));
        expect(parse(mixed)).toEqual(parse([...options, "--", ...operands]));
        expect(parse(mixed).operands).toEqual(operands);
      },
    ),
  );
});
