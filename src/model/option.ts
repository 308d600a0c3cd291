/** An option as a row of a table, and what the options of an architecture may change. */

import type { ConsoleRequest } from "./request.ts";

/** Whom an option is for; "own": kexec-tools has no such option. */
export type OptionScope = "general" | "arch" | "loader" | "own";

export interface Option<Name extends string = string> {
  /** Without the two dashes. */
  readonly name: Name;
  /** The letter after one dash; null: it has none. */
  readonly short: string | null;
  readonly argument: "none" | "required" | "optional";
  /** What stands for the argument in help; empty where there is none. */
  readonly argumentName: string;
  readonly scope: OptionScope;
  /** Each use counts, where otherwise the last one does. */
  readonly repeatable: boolean;
  /** The name of the option that this one is another spelling of; its own name if of none. */
  readonly synonymOf: string;
  /** A mistake where nothing is to be loaded. */
  readonly onlyWithLoad: boolean;
  /** What it does, for help: without a full stop. */
  readonly help: string;
}

type Details = Partial<Omit<Option, "name" | "help" | "argument" | "scope">>;

/** Makes rows of one scope; a row is (name, help), and what is out of the ordinary. */
export function rowsOf(scope: OptionScope) {
  const row = <const Name extends string>(name: Name, help: string, more: Details) => ({
    name,
    short: null,
    argumentName: "",
    scope,
    repeatable: false,
    synonymOf: name,
    onlyWithLoad: scope === "loader",
    ...more,
    help,
  });
  return {
    flag: <const Name extends string>(
      name: Name,
      help: string,
      more: Details = {},
    ): Option<Name> => ({ ...row(name, help, more), argument: "none" }),
    /** An option with an argument, which help calls `argumentName`. */
    valued: <const Name extends string>(
      name: Name,
      argumentName: string,
      help: string,
      more: Details = {},
    ): Option<Name> => ({ ...row(name, help, { ...more, argumentName }), argument: "required" }),
    /** An option whose argument may be left out: only `--name=ARGUMENT` gives one. */
    perhapsValued: <const Name extends string>(
      name: Name,
      argumentName: string,
      help: string,
    ): Option<Name> => ({ ...row(name, help, { argumentName }), argument: "optional" }),
  };
}

/** The settings that an architecture's options may change while the command line is read. */
export interface ArchSettings {
  readonly console: { -readonly [K in keyof ConsoleRequest]: ConsoleRequest[K] };
  passMemmapCmdline: boolean;
  noEfi: boolean;
  reuseVideoType: boolean;
  /** The complaint about the first bad serial port or speed; null: none was bad. */
  badPort: string | null;
}

/** @param argument empty where the option takes none */
type ArchEffect = (settings: ArchSettings, argument: string) => void;

/** An option that one architecture has: its row says what it does. */
export interface ArchOption<Name extends string = string> extends Option<Name> {
  readonly apply: ArchEffect;
}

/** A row of an architecture's options. */
export function archOption<const Name extends string>(
  row: Option<Name>,
  apply: ArchEffect,
): ArchOption<Name> {
  return { ...row, apply };
}
