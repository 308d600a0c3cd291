import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  layoutSetupData,
  SETUP_EFI,
  SETUP_RNG_SEED,
  type SetupDataNode,
  setupDataSize,
} from "../../../../src/arch/x86-64/handoff/setup-data.ts";
import { hexOf } from "../../../../src/core/bytes.ts";

/** Walks a chain as Linux does: by address, with DataView, knowing nothing of the layout code. */
function walk(bytes: Uint8Array, base: bigint, head: bigint) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nodes: { at: number; type: number; data: Uint8Array }[] = [];
  for (let address = head; address !== 0n; ) {
    const at = Number(address - base);
    const length = view.getUint32(at + 12, true);
    const data = bytes.slice(at + 16, at + 16 + length);
    if (data.length !== length) throw new Error("the node goes beyond the bytes");
    nodes.push({ at, type: view.getUint32(at + 8, true), data });
    address = view.getBigUint64(at, true);
  }
  return nodes;
}

const anyNode: fc.Arbitrary<SetupDataNode> = fc.record({
  type: fc.integer({ min: 0, max: 0xffffffff }),
  data: fc.uint8Array({ maxLength: 70 }),
});
const anyBase = fc.bigInt({ min: 1n, max: 1n << 52n }).map((n) => n * 16n);

describe("layoutSetupData", () => {
  test("two nodes, written out by hand", () => {
    const nodes = [
      { type: SETUP_RNG_SEED, data: Uint8Array.of(0xa1, 0xa2, 0xa3) },
      { type: SETUP_EFI, data: Uint8Array.of(0xb1) },
    ];
    const { bytes, head } = layoutSetupData(nodes, 0x1_2345_6780n);
    expect(head).toBe(0x1_2345_6780n);
    expect(hexOf(bytes)).toBe(
      "a067452301000000" + // next: 0x1234567a0
        "09000000" +
        "03000000" +
        "a1a2a300000000000000000000000000" +
        "0000000000000000" + // the last
        "04000000" +
        "01000000" +
        "b1000000000000000000000000000000",
    );
  });

  test("no nodes: no chain", () => {
    expect(layoutSetupData([], 0x1000n)).toEqual({ bytes: new Uint8Array(0), head: 0n });
  });

  test("walking the chain gives the nodes back, each at a multiple of 16", () => {
    fc.assert(
      fc.property(fc.array(anyNode, { maxLength: 12 }), anyBase, (nodes, base) => {
        const { bytes, head } = layoutSetupData(nodes, base);
        const found = walk(bytes, base, head);
        expect(found.map(({ type, data }) => ({ type, data }))).toEqual(nodes);
        expect(found.every(({ at }) => (base + BigInt(at)) % 16n === 0n)).toBe(true);
        expect(bytes.length).toBe(setupDataSize(nodes));
      }),
    );
  });

  test("no two nodes share a byte: clearing one as Linux clears a seed leaves the rest", () => {
    fc.assert(
      fc.property(fc.array(anyNode, { minLength: 2, maxLength: 8 }), fc.nat(), (nodes, pick) => {
        const base = 0x10000n;
        const { bytes, head } = layoutSetupData(nodes, base);
        const victim = pick % nodes.length;
        const { at, data } = walk(bytes, base, head)[victim] ?? { at: 0, data: new Uint8Array(0) };
        bytes.fill(0, at + 12, at + 16 + data.length);
        const after = walk(bytes, base, head).map(({ data: d }) => d);
        const expected = nodes.map((node, i) => (i === victim ? new Uint8Array(0) : node.data));
        expect(after).toEqual(expected);
      }),
    );
  });

  test.each([0n, 8n, 0x1001n, -16n])("a base of %p is a bug", (base) => {
    expect(() => layoutSetupData([], base)).toThrow(RangeError);
  });

  test("a chain that goes beyond the last address is a bug", () => {
    const node = { type: 0, data: new Uint8Array(0) };
    expect(() => layoutSetupData([node, node], (1n << 64n) - 16n)).toThrow(RangeError);
  });
});
