/** A flattened device tree with a root that has a model. [devicetree-spec §5] */

import { bytesOf } from "../../src/core/bytes.ts";

const HEADER_SIZE = 40;
const RESERVED_SIZE = 16;

const up = (text: string): string => text.padEnd(Math.ceil((text.length + 1) / 4) * 4, "\0");
const word = (value: number): string =>
  String.fromCharCode(value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);

export function makeDtb(model: string): Uint8Array {
  const name = "model\0";
  const property = word(3) + word(model.length + 1) + word(0) + up(model);
  const structure = word(1) + word(0) + property + word(2) + word(9);
  const structureAt = HEADER_SIZE + RESERVED_SIZE;
  const namesAt = structureAt + structure.length;
  const size = namesAt + name.length;
  const header = [
    ...[0xd00dfeed, size, structureAt, namesAt, HEADER_SIZE],
    ...[17, 16, 0, name.length, structure.length],
  ];
  return bytesOf(header.map(word).join("") + "\0".repeat(RESERVED_SIZE) + structure + name);
}
