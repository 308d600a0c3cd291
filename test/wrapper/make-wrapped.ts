/** Files that contain an image, for formats that the runtime cannot write. */

import { execFileSync } from "node:child_process";

/** What a compressing program writes to stdout for `bytes` on stdin. */
export function packedBy(command: readonly string[], bytes: Uint8Array): Uint8Array {
  const [program = "", ...words] = command;
  const maxBuffer = (1 << 20) + 2 * bytes.length;
  return new Uint8Array(execFileSync(program, words, { input: bytes, maxBuffer }));
}

export const bzip2 = (bytes: Uint8Array): Uint8Array => packedBy(["bzip2", "-c"], bytes);

/** 100000 zeros by xz 5.4 with its x86 filter and a SHA-256, as distributions pack kernels. */
export const XZ_OF_ZEROS = fromBase64(
  [
    "/Td6WFoAAArh+wyhAgEEACEBFgANhjUf4YafAFNdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLT",
    "L8U6PAFLsX7JiopNL6MN2X+m44wjEVPgWRjFdYrid/i2lH8MasDedElk4ulcU7IE1rH1lwAAAACRksJb",
    "c0/Lrb4y2twoCJxg2w45+QzCDOLlcz9XJhrMDAABhwGgjQYAXe9cD7bp3xwCAAAAAApZWg==",
  ].join(""),
);
/** 100000 zeros by xz 5.4, `--format=lzma`. */
export const LZMA_OF_ZEROS = fromBase64(
  [
    "XQAAgAD//////////wAAb/3//6O3/0c+SBVyOWFRuJIo5qOGB/nu5B6C0y/FOjwBS7F+yYqKTS+jDdl/",
    "puOMIxFT4FkYxXWK4nf4tpR/DGrA3nRJZOLpXFOyBNax9kS1W///uaoAAA==",
  ].join(""),
);

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

const u32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

function lengthBytes(rest: number): number[] {
  return [...Array<number>(Math.floor(rest / 255)).fill(255), rest % 255];
}

/** One LZ4 block: the first 16 bytes as they are, each later byte of a run as one match, and
 * everything else as literals. */
function lz4Block(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  let from = 0;
  for (let at = 1; at + 40 < bytes.length; ) {
    let run = 0;
    while (at + run + 12 < bytes.length && bytes[at + run] === bytes[at - 1]) run += 1;
    if (run < 20) {
      at += run + 1;
      continue;
    }
    const literals = bytes.subarray(from, at);
    const low = Math.min(literals.length, 15);
    out.push((low << 4) | 15, ...(low === 15 ? lengthBytes(literals.length - 15) : []));
    out.push(...literals, 1, 0, ...lengthBytes(run - 4 - 15));
    at += run;
    from = at;
  }
  const literals = bytes.subarray(from);
  const low = Math.min(literals.length, 15);
  out.push(low << 4, ...(low === 15 ? lengthBytes(literals.length - 15) : []), ...literals);
  return new Uint8Array(out);
}

/** One frame with one block, without checksums. */
export function lz4Frame(bytes: Uint8Array): Uint8Array {
  const block = lz4Block(bytes);
  const header = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, ...u32(block.length)];
  return new Uint8Array([...header, ...block, 0, 0, 0, 0]);
}

/** `lz4 -l`, with the expanded size behind it as the kernel's build puts there. */
export function lz4Legacy(bytes: Uint8Array): Uint8Array {
  const block = lz4Block(bytes);
  const magic = [0x02, 0x21, 0x4c, 0x18];
  return new Uint8Array([...magic, ...u32(block.length), ...block, ...u32(bytes.length)]);
}

/** An EFI zboot header with `payload` behind it. */
export function zboot(payload: Uint8Array, compression: string): Uint8Array {
  const file = new Uint8Array(512 + payload.length);
  file.set(Buffer.from("MZ"), 0);
  file.set(Buffer.from("zimg"), 4);
  file.set([...u32(512), ...u32(payload.length)], 8);
  file.set(Buffer.from(compression), 24);
  file.set(payload, 512);
  return file;
}
