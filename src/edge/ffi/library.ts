/**
 * Optional libraries (libxenctrl, liblzma), opened with the system's own dlopen(3).
 *
 * bun:ffi's dlopen must not open them: it searches the working directory for a library that the
 * system lacks, and this program runs as root in any directory. dlopen(3) searches only the
 * loader's directories for a name without a slash.
 */

import {
  dlopen,
  type FFIFunction,
  FFIType,
  type Library as FfiLibrary,
  linkSymbols,
} from "bun:ffi";
import { ExitStatus, fail } from "../../core/error.ts";
import { findLibdl } from "./find-libc.ts";
import { asInt, libc, openingError, processMaps } from "./libc.ts";
import { addressOf, asPointer, cString, keeping, textAt } from "./pointer.ts";

const LOADER = {
  dlopen: { args: [FFIType.u64, FFIType.i32], returns: FFIType.ptr },
  dlsym: { args: [FFIType.u64, FFIType.u64], returns: FFIType.ptr },
  dlerror: { args: [], returns: FFIType.ptr },
} as const satisfies Record<string, FFIFunction>;

type Loader = ReturnType<typeof dlopen<typeof LOADER>>["symbols"];
type Prototypes = Record<string, FFIFunction>;
export type Functions<P extends Prototypes> = FfiLibrary<P>["symbols"];

/** Bind all symbols at once, so that a broken library fails here and not in a call.
 * [dlopen(3)] */
const RTLD_NOW = 2;

let loader: Loader | undefined;

/** dlopen(3), dlsym(3) and dlerror(3), from the C library, or before glibc 2.34 from libdl. */
function systemLoader(): Loader {
  loader ??= openLoader();
  return loader;
}

function openLoader(): Loader {
  const { path } = libc();
  const paths = [path, findLibdl(processMaps())].filter((file) => file !== null);
  let failure: unknown;
  for (const file of paths) {
    // SAFETY: both libraries are mapped and stay mapped; the prototypes are those of dlopen(3).
    try {
      return dlopen(file, LOADER).symbols;
    } catch (error) {
      failure ??= error;
    }
  }
  throw openingError(path, failure);
}

/** The loader's text for its last failure. */
function loaderError(): string {
  // SAFETY: the text belongs to the loader and is valid until its next call; `textAt` copies it.
  const text = systemLoader().dlerror();
  return typeof text === "number" ? textAt(text) : "no reason given";
}

export interface Library {
  /** The name that `openLibrary` was called with. */
  readonly name: string;
  has(symbol: string): boolean;
  /** Address of a variable or function; null where the library has no such symbol. */
  address(symbol: string): bigint | null;
  /** The functions, callable by their names. @throws KexecError `host.library`, which names every
   * function that the library lacks */
  functions<const P extends Prototypes>(prototypes: P): Functions<P>;
}

export type OpenedLibrary = Library | { readonly failure: string };

/** @throws RangeError unless `name` is an absolute path, or a name without a slash: dlopen(3) takes
 * any other name relative to the working directory */
function checkName(name: string): void {
  const absolute = name.startsWith("/");
  if (name === "" || (!absolute && name.includes("/"))) {
    throw new RangeError(`${JSON.stringify(name)} is neither a library's name nor absolute`);
  }
}

/**
 * Opens a library by its bare name (`liblzma.so.5`) or its absolute path. It stays open until the
 * program ends.
 * @returns `failure` with the loader's own text where it cannot be opened
 */
export function openLibrary(name: string): OpenedLibrary {
  checkName(name);
  const text = cString(name);
  // SAFETY: the name is ours and kept until the call returns. The library's initialisers run, so it
  // is trusted as every library of the system. Fails with: null; dlerror(3) has the reason.
  const handle = keeping([text], () => systemLoader().dlopen(addressOf(text), asInt(RTLD_NOW)));
  if (handle === null) return { failure: loaderError() };
  return makeLibrary(name, BigInt(handle));
}

function makeLibrary(name: string, handle: bigint): Library {
  const address = (symbol: string): bigint | null => {
    const text = cString(symbol);
    // SAFETY: the handle is open and never closed; the name is kept. Fails with: null.
    const found = keeping([text], () => systemLoader().dlsym(handle, addressOf(text)));
    return found === null ? null : BigInt(found);
  };
  return {
    name,
    address,
    has: (symbol) => address(symbol) !== null,
    functions: (prototypes) => bind(name, prototypes, address),
  };
}

function bind<const P extends Prototypes>(
  name: string,
  prototypes: P,
  address: (symbol: string) => bigint | null,
): Functions<P> {
  const found = Object.keys(prototypes).map((symbol) => ({ symbol, at: address(symbol) }));
  const missing = found.filter(({ at }) => at === null).map(({ symbol }) => symbol);
  if (missing.length > 0) {
    fail({
      code: "host.library",
      message: `${name} lacks ${missing.join(", ")}`,
      exitStatus: ExitStatus.failed,
    });
  }
  const linked = Object.fromEntries(
    found.map(({ symbol, at }) => [symbol, { ...prototypes[symbol], ptr: asPointer(at ?? 0n) }]),
  ) as P;
  // SAFETY: each address is the library's function of that name; the caller guarantees the
  // prototypes.
  return linkSymbols(linked).symbols;
}
