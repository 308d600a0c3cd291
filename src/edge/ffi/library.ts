/**
 * Optional libraries (libxenctrl, liblzma), opened with the system's own dlopen(3).
 *
 * bun:ffi's dlopen must not be used for them: what the system lacks it looks for in the working
 * directory, and this program runs as root in any directory. dlopen(3) looks for a bare name in the
 * loader's directories only.
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
 * [linux bits/dlfcn.h] */
const RTLD_NOW = 2;

let loader: Loader | undefined;

/** dlopen(3) and its kin: in the C library, or before glibc 2.34 in libdl. */
function systemLoader(): Loader {
  loader ??= openLoader();
  return loader;
}

function openLoader(): Loader {
  const { path } = libc();
  const paths = [path, findLibdl(processMaps())].filter((file) => file !== null);
  let failure: unknown;
  for (const file of paths) {
    // SAFETY: both libraries are mapped already and stay; the prototypes are dlopen(3)'s.
    try {
      return dlopen(file, LOADER).symbols;
    } catch (error) {
      failure ??= error;
    }
  }
  throw openingError(path, failure);
}

/** The loader's text for what failed last. */
function loaderError(): string {
  // SAFETY: the text is the library's, valid until the next call of the loader; it is copied here.
  const text = systemLoader().dlerror();
  return typeof text === "number" ? textAt(text) : "no reason given";
}

export interface Library {
  /** As it was opened. */
  readonly name: string;
  has(symbol: string): boolean;
  /** Address of a variable or function; null where the library has none of this name. */
  address(symbol: string): bigint | null;
  /** @throws KexecError `host.library` that names every function that is missing */
  functions<const P extends Prototypes>(prototypes: P): Functions<P>;
}

export type OpenedLibrary = Library | { readonly failure: string };

/** A name that only the loader resolves, or one that it need not. */
function checkName(name: string): void {
  const absolute = name.startsWith("/");
  if (name === "" || (!absolute && name.includes("/"))) {
    throw new RangeError(`${JSON.stringify(name)} is neither a library's name nor absolute`);
  }
}

/**
 * Opens a library by its bare name (`liblzma.so.5`) or its absolute path. It stays open until the
 * program ends.
 * @returns `failure` with the loader's own words where it cannot be opened
 */
export function openLibrary(name: string): OpenedLibrary {
  checkName(name);
  const text = cString(name);
  // SAFETY: the name is ours and kept until the call returns. The library's initialisers run: it is
  // trusted as any library of the system. Fails with: null, and dlerror says why.
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
  // SAFETY: each address is the library's function of that name; the caller vouches for the
  // prototypes.
  return linkSymbols(linked).symbols;
}
