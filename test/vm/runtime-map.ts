/** What a kernel of a VM says of EFI's runtime memory, to be compared with another's. Pure. */

interface Piece {
  readonly type: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly attribute: bigint;
}

function pieceOf(line: string): Piece {
  const [type, start, pages, attribute] = line.trim().split(" ").map(BigInt);
  if (type === undefined || start === undefined || pages === undefined || attribute === undefined)
    throw new Error(`not a line of init.sh: ${line}`);
  return { type: Number(type), start, end: start + pages * 4096n, attribute };
}

/**
 * The lines of init.sh, by address, and as one what belongs together. A kernel that the firmware
 * started joins such pieces; a kernel after it, which sets memory for the boot logo aside in the
 * same way, cuts them again and leaves them so. [linux arch/x86/platform/efi/efi.c
 * efi_merge_regions, kexec_enter_virtual_mode]
 */
export function joinedRuntimeMap(lines: string | undefined): string[] {
  const sorted = (lines ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map(pieceOf)
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  const joined: Piece[] = [];
  for (const piece of sorted) {
    const last = joined.at(-1);
    const belongs =
      last?.end === piece.start && last.type === piece.type && last.attribute === piece.attribute;
    if (last !== undefined && belongs) joined[joined.length - 1] = { ...last, end: piece.end };
    else joined.push(piece);
  }
  return joined.map(
    ({ type, start, end, attribute }) =>
      `${type}: 0x${start.toString(16)}-0x${end.toString(16)} 0x${attribute.toString(16)}`,
  );
}
