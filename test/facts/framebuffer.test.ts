import { expect, test } from "bun:test";
import { bytesOf } from "../../src/core/bytes.ts";
import { FbFixScreeninfo, FbVarScreeninfo, parseFramebuffer } from "../../src/facts/framebuffer.ts";
import { refusal } from "../kexec-error.ts";
import { survivesDamage } from "./damage.ts";

const fix = new Uint8Array(80);
FbFixScreeninfo.write(fix, {
  id: bytesOf("EFI VGA".padEnd(16, "\0")),
  smem_start: 0x8000000000n,
  smem_len: 4096000,
  line_length: 5120,
});
const mode = new Uint8Array(160);
FbVarScreeninfo.write(mode, {
  xres: 1280,
  yres: 800,
  bits_per_pixel: 32,
  red_offset: 16,
  red_length: 8,
  green_offset: 8,
  green_length: 8,
  blue_offset: 0,
  blue_length: 8,
  transp_offset: 24,
  transp_length: 8,
});

test("sizes are those of the kernel's structures on 64-bit machines", () => {
  expect([FbFixScreeninfo.size, FbVarScreeninfo.size]).toEqual([80, 160]);
});

test("parseFramebuffer() reads what the ioctls give", () => {
  expect(parseFramebuffer(fix, mode)).toEqual({
    id: "EFI VGA",
    smemStart: 0x8000000000n,
    smemLen: 4096000,
    lineLength: 5120,
    xres: 1280,
    yres: 800,
    bitsPerPixel: 32,
    red: { offset: 16, length: 8 },
    green: { offset: 8, length: 8 },
    blue: { offset: 0, length: 8 },
    transp: { offset: 24, length: 8 },
  });
});

test("an id of 16 characters has no NUL", () => {
  const bytes = fix.slice();
  bytes.fill(0x41, 0, 16);
  expect(parseFramebuffer(bytes, mode).id).toBe("A".repeat(16));
});

test("short answers are refused", () => {
  expect(refusal(() => parseFramebuffer(fix.slice(0, 51), mode)).code).toBe("struct.truncated");
  expect(refusal(() => parseFramebuffer(fix, new Uint8Array(0))).code).toBe("struct.truncated");
  survivesDamage(fix, (bytes) => parseFramebuffer(bytes, mode));
  survivesDamage(mode, (bytes) => parseFramebuffer(fix, bytes));
});
