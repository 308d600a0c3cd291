/** Which image type a file is: what `-t` says, or the first whose probe matches. */

import { ExitStatus, fail } from "../core/error.ts";
import type { ImageType, InputFile } from "../model/image-type.ts";

const failed = ExitStatus.failed;

/** Files that people try and that no registered type takes, by their first bytes. */
const KNOWN_OTHERS: readonly { readonly magic: readonly number[]; readonly name: string }[] = [
  { magic: [0x1f, 0x8b], name: "gzip-compressed data" },
  { magic: [0x42, 0x5a, 0x68], name: "bzip2-compressed data" },
  { magic: [0x7f, 0x45, 0x4c, 0x46], name: "an ELF file" },
  { magic: [0x4d, 0x5a], name: "a PE (EFI) file without a Linux boot header" },
];

function looksLike(bytes: Uint8Array): string {
  const known = KNOWN_OTHERS.find(({ magic }) => magic.every((byte, i) => bytes[i] === byte));
  return known === undefined ? "" : ` It looks like ${known.name}.`;
}

function probeAll(types: readonly ImageType[], bytes: Uint8Array) {
  const whys: string[] = [];
  for (const type of types) {
    const probe = type.probe(bytes);
    if (probe.match) return { type, whys };
    whys.push(`${type.name}: ${probe.why}`);
  }
  return { type: undefined, whys };
}

/**
 * The image type of `file`.
 * @param asked what `-t` named, or null
 * @throws KexecError `image.*` in kexec-tools' words, with each type's reason as the hint
 */
export function chooseImageType(
  types: readonly ImageType[],
  file: InputFile,
  asked: string | null,
): ImageType {
  const named = types.find(({ name }) => name === asked);
  if (asked !== null && named === undefined) {
    return fail({
      code: "image.unknown-type",
      message: `Unsupported kernel type ${asked}`,
      hint: `The types for this machine are: ${types.map(({ name }) => name).join(", ")}.`,
      exitStatus: failed,
    });
  }
  if (named?.probe(file.bytes).match) return named;
  const { type, whys } = probeAll(types, file.bytes);
  if (type === undefined) {
    return fail({
      code: "image.undetermined",
      message: `Cannot determine the file type of ${file.path}`,
      hint: `${whys.join("; ")}.${looksLike(file.bytes)}`,
      exitStatus: failed,
    });
  }
  if (named === undefined) return type;
  return fail({
    code: "image.wrong-type",
    message: `Wrong file type ${named.name}, file matches type ${type.name}`,
    exitStatus: failed,
  });
}
