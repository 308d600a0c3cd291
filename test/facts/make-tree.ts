/** Flattened device trees as KHO has them: big-endian, but values in the machine's byte order. */

export interface Node {
  readonly name: string;
  readonly properties?: Readonly<Record<string, Uint8Array>>;
  readonly nodes?: readonly Node[];
}

export const u64 = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);

const be32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
};
const padded = (bytes: Uint8Array): Uint8Array[] => [bytes, new Uint8Array(-bytes.length & 3)];

export function makeTree(root: Node): Uint8Array {
  let strings = "";
  const parts: Uint8Array[] = [];
  const add = ({ name, properties = {}, nodes = [] }: Node): void => {
    parts.push(be32(1), ...padded(Buffer.from(`${name}\0`)));
    for (const [key, value] of Object.entries(properties)) {
      parts.push(be32(3), be32(value.length), be32(strings.length), ...padded(value));
      strings += `${key}\0`;
    }
    parts.push(be32(4));
    for (const node of nodes) add(node);
    parts.push(be32(2));
  };
  add(root);
  parts.push(be32(9));
  const structure = Buffer.concat(parts);
  const [header, map] = [40, 16];
  const total = header + map + structure.length + strings.length;
  const words = [
    ...[0xd00dfeed, total, header + map, header + map + structure.length, header],
    ...[17, 16, 0, strings.length, structure.length],
  ];
  const text = Buffer.from(strings);
  return new Uint8Array(Buffer.concat([...words.map(be32), new Uint8Array(map), structure, text]));
}
