/** Debian's kernel as its linker made it: the compressed payload of the bzImage, decompressed. */

import { readFileSync } from "node:fs";
import { Problem } from "../../scripts/command.ts";
import { readSetupHeader } from "../../src/arch/x86-64/handoff/setup-header.ts";

/** How each compression begins, and the command of this machine that undoes it. The payload ends
 * with four bytes of size, which no format knows; so these stop at the end of their stream. */
const DECOMPRESSORS: readonly { readonly magic: readonly number[]; readonly command: string[] }[] =
  [
    { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], command: ["xz", "-dc", "--single-stream"] },
    { magic: [0x28, 0xb5, 0x2f, 0xfd], command: ["zstd", "-dcq"] },
  ];

/** The vmlinux inside the bzImage at `vmlinuz`. @throws Problem */
export const vmlinuxOf = (vmlinuz: string): Uint8Array =>
  payloadOf(new Uint8Array(readFileSync(vmlinuz)), vmlinuz);

/** What the payload of a bzImage expands to. @throws Problem */
export function payloadOf(image: Uint8Array, name = "a bzImage"): Uint8Array {
  const { setup_sects, payload_offset, payload_length } = readSetupHeader(image);
  const start = (setup_sects + 1) * 512 + payload_offset;
  const payload = image.subarray(start, start + payload_length - 4);
  const known = DECOMPRESSORS.find(({ magic }) => magic.every((byte, i) => payload[i] === byte));
  const step = `Decompress the payload of ${name}`;
  if (known === undefined) throw new Problem({ step, reason: "an unknown compression" });
  const { stdout, stderr } = Bun.spawnSync(known.command, { stdin: payload });
  const isElf = stdout[0] === 0x7f && stdout[1] === 0x45;
  if (!isElf) throw new Problem({ step, reason: stderr.toString() });
  return new Uint8Array(stdout);
}
