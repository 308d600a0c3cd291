import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KexecError } from "../../src/core/error.ts";
import { covers, normalize, overlaps, type Range, range } from "../../src/core/range.ts";
import type { Placement } from "../../src/model/image-type.ts";
import { Placer } from "../../src/plan/placer.ts";
import { orRefusal, refusal } from "../kexec-error.ts";

const PAGE = 0x1000n;
const END = 1n << 64n;
const piece = (parts: Partial<Placement>): Placement => ({
  role: "kernel",
  size: PAGE,
  alignment: PAGE,
  min: 0n,
  max: END,
  from: "top",
  ...parts,
});

describe("place", () => {
  const usable = [range(0x1000n, 0x9f000n), range(0x100000n, 0x1000000n)];
  test.each<[string, Partial<Placement>, bigint]>([
    ["the highest place", {}, 0xfff000n],
    ["the lowest place", { from: "bottom" }, 0x1000n],
    ["below a maximum", { max: 0x9f000n }, 0x9e000n],
    ["above a minimum", { min: 0x50000n, from: "bottom" }, 0x50000n],
    ["aligned, from the top", { size: 0x1800n, alignment: 0x200000n }, 0xe00000n],
    ["aligned, from the bottom", { alignment: 0x200000n, from: "bottom" }, 0x200000n],
    ["whole pages for one byte", { size: 1n }, 0xfff000n],
    ["all of a range", { size: 0xf00000n }, 0x100000n],
  ])("%s", (_, parts, want) => {
    expect(new Placer(usable, PAGE).place(piece(parts))).toBe(want);
  });

  test("a random place: each that fits, in the order of addresses, as often as any other", () => {
    const among = [range(0x100000n, 0x700000n), range(0x800000n, 0xb00000n)];
    const starts = Array.from({ length: 9 }, (_, i) =>
      new Placer(among, PAGE).place(
        piece({
          ...{ size: 0x200000n, alignment: 0x100000n, min: 0x200000n, max: 0xa80000n },
          from: { random: BigInt(i) },
        }),
      ),
    );
    const fit = [0x200000n, 0x300000n, 0x400000n, 0x500000n, 0x800000n];
    expect(starts).toEqual([...fit, ...fit.slice(0, 4)]);
  });

  test("no room for a random place", () => {
    const from = { random: 5n };
    const attempt = () => new Placer(usable, PAGE).place(piece({ size: 0x2000000n, from }));
    expect(refusal(attempt).code).toBe("plan.no-room");
  });

  test("unaligned ends of RAM are not used", () => {
    const placer = new Placer([range(0x400n, 0x9fc00n)], PAGE);
    expect(placer.free).toEqual([range(0x1000n, 0x9f000n)]);
  });

  test("no room: kexec-tools' lines, then the size needed and the largest gap", () => {
    const placer = new Placer(usable, PAGE);
    const attempt = () => placer.place(piece({ role: "initrd", size: 0x2000000n }));
    expect(attempt).toThrow(
      "Could not find a free area of memory of 0x2000000 bytes...\nlocate_hole failed",
    );
    const error = refusal(attempt);
    expect(error.exitStatus).toBe(1);
    expect(error.hint).toBe(
      "Cannot place the initrd: 32 MiB (0x2000000 bytes, aligned to 0x1000) must lie within " +
        "[0x0, 0x10000000000000000), but the largest free range there is 15 MiB at " +
        "[0x100000, 0x1000000).",
    );
  });

  test("no memory at all in the window: the hint says so", () => {
    const placer = new Placer(usable, PAGE);
    expect(() => placer.place(piece({ min: 1n << 32n }))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("no memory is free there") }),
    );
  });
});

const anyUsable = fc.array(
  fc
    .tuple(fc.bigInt({ min: 0n, max: 0x400n }), fc.bigInt({ min: 0n, max: 0x200n }), fc.nat(0xfff))
    .map(([start, size, odd]) => range(start * PAGE + BigInt(odd), (start + size) * PAGE)),
  { minLength: 1, maxLength: 6 },
);
const anyPiece = fc
  .record({
    size: fc.bigInt({ min: 1n, max: 0x60000n }),
    order: fc.integer({ min: 0, max: 9 }),
    min: fc.bigInt({ min: 0n, max: 0x300000n }),
    window: fc.bigInt({ min: 0n, max: 0x600000n }),
    from: fc.oneof(
      fc.constantFrom<Placement["from"]>("top", "bottom"),
      fc.record({ random: fc.bigInt({ min: 0n, max: END - 1n }) }),
    ),
  })
  .map(({ size, order, min, window, from }) =>
    piece({ size, alignment: PAGE << BigInt(order), min, max: min + window, from }),
  );

test("every piece is in RAM, aligned, in its window, and disjoint from the others", () => {
  fc.assert(
    fc.property(anyUsable, fc.array(anyPiece, { maxLength: 8 }), (usable, pieces) => {
      const placer = new Placer(usable, PAGE);
      const placed: Range[] = [];
      for (const wanted of pieces) {
        const start = orRefusal(() => placer.place(wanted));
        if (start instanceof KexecError) continue;
        const got = range(start, start + ((wanted.size + PAGE - 1n) / PAGE) * PAGE);
        expect(covers(normalize(usable), got)).toBe(true);
        expect(start % wanted.alignment).toBe(0n);
        expect(start >= wanted.min && got.end <= wanted.max).toBe(true);
        expect(placed.some((other) => overlaps(other, got))).toBe(false);
        placed.push(got);
      }
    }),
  );
});

describe("with guest-owned memory", () => {
  const MIB = 1n << 20n;
  const usable = [range(0x1000n, 0x9f000n), range(MIB, 64n * MIB)];
  const guestOwned = [range(0n, 0x2000n), range(8n * MIB, 10n * MIB), range(20n * MIB, 22n * MIB)];
  const placer = () => new Placer(usable, PAGE, guestOwned);

  test("pieces go there, from the top", () => {
    const one = placer();
    expect(one.place(piece({ size: MIB }))).toBe(21n * MIB);
    expect(one.place(piece({ size: MIB }))).toBe(20n * MIB);
    expect(one.place(piece({ size: MIB }))).toBe(9n * MIB);
    expect(one.notes).toEqual([
      "all segments lie in memory that the hypervisor does not allocate during the load",
    ]);
  });

  test("pieces go there from the bottom, and within their limits", () => {
    expect(placer().place(piece({ size: MIB, from: "bottom", min: MIB }))).toBe(8n * MIB);
    expect(placer().place(piece({ size: MIB, max: 12n * MIB }))).toBe(9n * MIB);
  });

  test("a piece with guestOwnedOnly goes nowhere else", () => {
    const fixed = piece({ size: MIB, min: 4n * MIB, max: 5n * MIB, guestOwnedOnly: true });
    expect(() => placer().place(fixed)).toThrow("Could not find a free area of memory");
    expect(new Placer(usable, PAGE).place(fixed)).toBe(4n * MIB);
  });

  test("a piece that does not fit there gets the lowest place above 1 MiB, with a note", () => {
    const one = placer();
    expect(one.place(piece({ size: 4n * MIB }))).toBe(MIB);
    expect(one.notes).toHaveLength(1);
    expect(one.notes[0]).toStartWith("the kernel lies at 0x100000, the lowest that fits");
  });

  test("a piece goes below 1 MiB only where it fits nowhere else", () => {
    const one = new Placer([range(0x1000n, 0x9f000n)], PAGE, []);
    expect(one.place(piece({}))).toBe(0x1000n);
  });

  test("there is no note where the host has no guest-owned memory", () => {
    const one = new Placer(usable, PAGE);
    one.place(piece({}));
    expect(one.notes).toEqual([]);
  });

  test("every piece that fits into guest-owned memory lies there", () => {
    const sizes = fc.array(fc.bigInt(1n, 64n), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, (pagesOf) => {
        const one = placer();
        for (const pages of pagesOf) {
          const size = pages * PAGE;
          const start = one.place(piece({ size, min: MIB }));
          expect(covers(guestOwned, range(start, start + size))).toBe(true);
        }
      }),
    );
  });
});
