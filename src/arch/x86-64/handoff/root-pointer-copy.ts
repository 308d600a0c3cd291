/**
 * 32-bit code that runs before a multiboot image: it copies ACPI's root pointer (RSDP) to where the
 * image looks for it. onekexec knows the address of the root pointer but not its bytes, because
 * kernels do not let programs read the memory of ACPI's tables. [acpi §5.2.5.3]
 */

import { joined, Writer } from "../../../core/bytes.ts";

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
