/** Finds the image type of a file, as `-t` names it or the first that matches, and reads it. */

import { ExitStatus, fail, KexecError } from "../core/error.ts";
import type { Container, ContainerParts } from "../model/container.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { Image, ImageType, InputFile } from "../model/image-type.ts";
import type { LoaderRequest } from "../model/request.ts";

const failed = ExitStatus.failed;

/** Common files that no registered type matches, by their first bytes. */
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

/** Names the part of a file that a reason is about. */
const ofPart = ({ part }: InputFile): string => (part === undefined ? "" : `Of ${part}: `);

/**
 * The error of an image that cannot be loaded: kexec-tools' line `Cannot load FILE`, and the
 * reason, which kexec-tools does not print, as the hint.
 */
export function cannotLoad(type: string, file: InputFile, error: KexecError): KexecError {
  return new KexecError({
    code: error.code,
    message: `Cannot load ${file.path}`,
    hint: [`${ofPart(file)}${type}: ${error.message}`, error.hint].filter(Boolean).join("\n"),
    exitStatus: failed,
    cause: error,
  });
}

/**
 * Extracts the parts of a container.
 * @param file as the user named it
 * @param bytes the file's contents, expanded where the file is compressed
 * @throws KexecError `image.*` where the container is broken
 */
export function readContainer(
  { type, read }: Container,
  file: InputFile,
  bytes: Uint8Array,
): ContainerParts {
  try {
    return read(bytes);
  } catch (error) {
    throw error instanceof KexecError ? cannotLoad(type.name, file, error) : error;
  }
}

/** The answer of a type that matches a file: the image, or why it is broken. */
type Claim =
  | { readonly type: ImageType; readonly image: Image }
  | { readonly type: ImageType; readonly broken: KexecError };

/** The loader options and the machine, on which the type depends. */
interface Asked {
  readonly loader: LoaderRequest;
  readonly facts: HostFacts | undefined;
}

/** The type's claim, or why it does not match the file. */
function ask(type: ImageType, file: Uint8Array, asked: Asked): Claim | string {
  try {
    const image = type.parse(file, asked.loader, asked.facts);
    return image.match ? { type, image } : image.why;
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    return { type, broken: error };
  }
}

function firstClaim(types: readonly ImageType[], file: InputFile, how: Asked): Claim {
  const whys: string[] = [];
  for (const type of types) {
    const answer = ask(type, file.bytes, how);
    if (typeof answer !== "string") return answer;
    whys.push(`${type.name}: ${answer}`);
  }
  return fail({
    code: "image.undetermined",
    message: `Cannot determine the file type of ${file.path}`,
    hint: `${ofPart(file)}${whys.join("; ")}.${looksLike(file.bytes)}`,
    exitStatus: failed,
  });
}

/**
 * Refuses a file of which only the start is known, in the words of `readImage`, where no type
 * begins so: the rest need not be made.
 * @param file with at least the first `START_SIZE` bytes
 * @throws KexecError `image.undetermined`
 */
export function checkStart(
  types: readonly ImageType[],
  file: InputFile,
  loader: LoaderRequest,
): void {
  if (types.some(({ mayBegin }) => mayBegin(file.bytes))) return;
  firstClaim(types, file, { loader, facts: undefined });
}

function claimOf(
  types: readonly ImageType[],
  file: InputFile,
  asked: string | null,
  how: Asked,
): Claim {
  if (asked === null) return firstClaim(types, file, how);
  const named = types.find(({ name }) => name === asked);
  if (named === undefined) {
    return fail({
      code: "image.unknown-type",
      message: `Unsupported kernel type ${asked}`,
      hint: `The types for this machine are: ${types.map(({ name }) => name).join(", ")}.`,
      exitStatus: failed,
    });
  }
  const answer = ask(named, file.bytes, how);
  if (typeof answer !== "string") return answer;
  const { type } = firstClaim(types, file, how);
  return fail({
    code: "image.wrong-type",
    message: `Wrong file type ${named.name}, file matches type ${type.name}`,
    exitStatus: failed,
  });
}

/**
 * Reads the image in `file` with its type.
 * @param asked the argument of `-t`; null: the first type that matches
 * @param facts as for `ImageType.parse`
 * @throws KexecError `image.*` in kexec-tools' words, with each type's reason as the hint
 */
export function readImage(
  types: readonly ImageType[],
  file: InputFile,
  asked: string | null,
  loader: LoaderRequest,
  facts?: HostFacts,
): Image {
  const claim = claimOf(types, file, asked, { loader, facts });
  if ("image" in claim) return claim.image;
  throw cannotLoad(claim.type.name, file, claim.broken);
}
