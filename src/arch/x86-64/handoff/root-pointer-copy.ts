/**
 * 32-bit code that runs before a multiboot image: it copies ACPI's root pointer (RSDP) to where the
 * image looks for it. onekexec knows the address of the root pointer but not its bytes, because
 * kernels do not let programs read the memory of ACPI's tables. [acpi §5.2.5.3]
 */

import { joined, startsWith, Writer } from "../../../core/bytes.ts";

/** Sizes of the root pointer in bytes, since ACPI 2.0 and in ACPI 1.0. */
export const ROOT_POINTER_SIZE = 36;
export const OLD_ROOT_POINTER_SIZE = 20;

const REVISION_AT = 15;
/** The first `revision` with 36 bytes. */
const NEW_REVISION = 2;

export interface RootPointerCopy {
  readonly from: number;
  readonly targets: readonly { readonly at: number; readonly size: number }[];
  /** Two 32-bit words that the code writes to `at` for an ACPI 1.0 root pointer; null: none. */
  readonly ifOld: { readonly at: number; readonly words: readonly [number, number] } | null;
  /** The image's entry point. The code keeps EAX and EBX. */
  readonly entry: number;
}

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new Writer(bytes).u32(0, value);
  return bytes;
};
const code = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);

/** mov dword [at], value */
const store = (at: number, value: number): Uint8Array =>
  joined([code(0xc7, 0x05), word(at), word(value)]);

/** The machine code. It runs at any address and uses no stack. All addresses are below 4 GiB. */
export function rootPointerCopy({ from, targets, ifOld, entry }: RootPointerCopy): Uint8Array {
  const copies = targets.flatMap(({ at, size }) => [
    ...[code(0xbe), word(from)], // mov esi, from
    ...[code(0xbf), word(at)], // mov edi, at
    ...[code(0xb9), word(size / 4)], // mov ecx, words
    code(0xf3, 0xa5), // rep movsd
  ]);
  const stores =
    ifOld === null ? code() : joined(ifOld.words.map((value, i) => store(ifOld.at + 4 * i, value)));
  const unlessOld = [
    ...[code(0x80, 0x3d), word(from + REVISION_AT), code(NEW_REVISION)], // cmp byte [revision], 2
    code(0x73, stores.length), // jae behind the stores
  ];
  return joined([
    code(0xfc), // cld
    ...copies,
    ...(ifOld === null ? [] : unlessOld),
    stores,
    ...[code(0xb9), word(entry), code(0xff, 0xe1)], // mov ecx, entry; jmp ecx
  ]);
}

const COPY = { size: 17, from: 0xbe, target: 6, words: 11 } as const;
const UNLESS_OLD = { size: 9, code: 0x80 } as const;
const STORE = { size: 10, at: 2, value: 6 } as const;
const JUMP = { size: 7, code: 0xb9 } as const;

/**
 * What `rootPointerCopy` was asked for, read back from its code and what follows it; null for code
 * that it did not make.
 */
export function readRootPointerCopy(bytes: Uint8Array): RootPointerCopy | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => (at + 4 <= bytes.length ? view.getUint32(at, true) : 0);
  const targets: { at: number; size: number }[] = [];
  let at = 1;
  for (; bytes[at] === COPY.from; at += COPY.size) {
    targets.push({ at: u32(at + COPY.target), size: u32(at + COPY.words) * 4 });
  }
  let ifOld: RootPointerCopy["ifOld"] = null;
  if (bytes[at] === UNLESS_OLD.code) {
    at += UNLESS_OLD.size;
    const words = [u32(at + STORE.value), u32(at + STORE.size + STORE.value)] as const;
    ifOld = { at: u32(at + STORE.at), words };
    at += 2 * STORE.size;
  }
  const found = { from: u32(2), targets, ifOld, entry: u32(at + 1) };
  const same = bytes[at] === JUMP.code ? rootPointerCopy(found) : new Uint8Array(0);
  const isSame = same.length === at + JUMP.size && startsWith(bytes, same);
  return isSame ? found : null;
}
