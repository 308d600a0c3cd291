/** The purgatory tells the next kernel where the last one waits: QEMU runs the committed blob. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { kernelOf, rig, standardPieces } from "./purgatory-case.ts";
import type { Piece } from "./purgatory-run.ts";

setDefaultTimeout(70_000);
afterAll(() => rig().close());

describe("the address to jump back to", () => {
  const at = 0x3800000n;
  const piece = (text: string): Piece => ({
    address: at,
    bytes: Uint8Array.from(Buffer.from(text.padEnd(100, "\0"), "latin1")),
  });
  const stack: Piece = { address: 0x3900000n, bytes: new Uint8Array(16) };
  const dumps = [{ address: at, length: 100 }];
  const run = async (entry: bigint, parameters: { jumpBackText?: bigint }) => {
    new DataView(stack.bytes.buffer).setBigUint64(0, entry, true);
    const pieces = [...standardPieces(dumps), piece("console=ttyS0")];
    const memory = (all: readonly Piece[]) => [...all, stack];
    const { kernel } = await kernelOf({
      parameters,
      pieces,
      memory,
      dumps,
      run: { stack: stack.address },
    });
    return Buffer.from(kernel.dumps[0] ?? []).toString("latin1");
  };

  test.each([0x1n, 0x7ff53000n, 0xfedcba9876543210n])("%p is told", async (entry) => {
    const text = await run(entry, { jumpBackText: at + 13n });
    const told = `console=ttyS0 kexec_jump_back_entry=0x${entry.toString(16)}`;
    expect(text).toBe(told.padEnd(100, "\0"));
  });

  test("is not told where nobody asks", async () => {
    expect(await run(0x1234n, {})).toBe("console=ttyS0".padEnd(100, "\0"));
  });
});
