/** ELF executables byte by byte from the specification, and not by the tables under test. [elf] */

export interface ElfPart {
  readonly physical: bigint;
  readonly virtual?: bigint;
  readonly bytes: Uint8Array;
  /** As many as `bytes` unless given. */
  readonly memorySize?: bigint;
}

export interface ElfParts {
  readonly bits: 32 | 64;
  readonly parts: readonly ElfPart[];
  readonly entry?: bigint;
  /** ET_EXEC unless given. */
  readonly type?: number;
  readonly machine?: number;
  readonly align?: bigint;
}

/** Headers, then each part's bytes. */
export function makeElf({
  bits,
  parts,
  entry,
  type,
  machine,
  align = 0x1000n,
}: ElfParts): Uint8Array {
  const [header, row] = bits === 64 ? [64, 56] : [52, 32];
  let at = header + row * parts.length;
  const offsets = parts.map(({ bytes }) => {
    const here = at;
    at += bytes.length;
    return here;
  });
  const file = new Uint8Array(at);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, 1, 1]);
  view.setUint16(16, type ?? 2, true);
  view.setUint16(18, machine ?? (bits === 64 ? 62 : 3), true);
  view.setUint32(20, 1, true);
  const word = (offset: number, value: bigint) =>
    bits === 64
      ? view.setBigUint64(offset, value, true)
      : view.setUint32(offset, Number(value), true);
  const size = bits / 8;
  word(24, entry ?? parts[0]?.physical ?? 0n);
  word(24 + size, BigInt(header));
  view.setUint16(bits === 64 ? 52 : 40, header, true);
  view.setUint16(bits === 64 ? 54 : 42, row, true);
  view.setUint16(bits === 64 ? 56 : 44, parts.length, true);
  parts.forEach(({ physical, virtual = physical, bytes, memorySize }, i) => {
    const base = header + i * row;
    view.setUint32(base, 1, true);
    const words = [offsets[i] ?? 0, virtual, physical, bytes.length, memorySize ?? bytes.length];
    const first = bits === 64 ? base + 8 : base + 4;
    words.forEach((value, k) => {
      word(first + k * size, BigInt(value));
    });
    word(bits === 64 ? base + 48 : base + 28, align);
    file.set(bytes, offsets[i] ?? 0);
  });
  return file;
}
