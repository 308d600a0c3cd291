/** A row of the option table, and the settings that the options of an architecture change. */

import type { ConsoleRequest } from "./request.ts";

/** The part of the program that an option is for; "own": kexec-tools does not have the option. */
export type OptionScope = "general" | "arch" | "loader" | "own";

export interface Option<Name extends string = string> {
  /** Without the two dashes. */
  readonly name: Name;
  /** The letter after one dash; null: there is none. */
  readonly short: string | null;
  readonly argument: "none" | "required" | "optional";
  /** The placeholder for the argument in the help; empty without an argument. */
  readonly argumentName: string;
  readonly scope: OptionScope;
  /** Every use has an effect; of other options only the last use has. */
  readonly repeatable: boolean;
  /** The name of the option of which this one is a synonym; its own name if of none. */
  readonly synonymOf: string;
  /** An error where no load is requested. */
  readonly onlyWithLoad: boolean;
  /** What it does, for the help, without a full stop. */
  readonly help: string;
}

type Details = Partial<Omit<Option, "name" | "help" | "argument" | "scope">>;

/** Makes rows of one scope, from name, help, and the fields that differ from their defaults. */
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
    /** An option with an argument. */
    valued: <const Name extends string>(
      name: Name,
      argumentName: string,
      help: string,
      more: Details = {},
    ): Option<Name> => ({ ...row(name, help, { ...more, argumentName }), argument: "required" }),
    /** An option with an optional argument, in the form `--name=ARGUMENT`. */
    perhapsValued: <const Name extends string>(
      name: Name,
      argumentName: string,
      help: string,
    ): Option<Name> => ({ ...row(name, help, { argumentName }), argument: "optional" }),
  };
}

/** The settings that an architecture's options change while the command line is read. */
export interface ArchSettings {
  readonly console: { -readonly [K in keyof ConsoleRequest]: ConsoleRequest[K] };
  passMemmapCmdline: boolean;
  noEfi: boolean;
  reuseVideoType: boolean;
  /** The message about the first invalid serial port or speed; null: all were valid. */
  badPort: string | null;
}

/** Applies an option. @param argument empty for an option without an argument */
type ArchEffect = (settings: ArchSettings, argument: string) => void;

/** An option of one architecture: its row has its effect. */
export interface ArchOption<Name extends string = string> extends Option<Name> {
  readonly apply: ArchEffect;
}

/** Makes a row of an architecture's options. */
export function archOption<const Name extends string>(
  row: Option<Name>,
  apply: ArchEffect,
): ArchOption<Name> {
  return { ...row, apply };
}
