import { expect, test } from "bun:test";
import { imageTypes } from "../../src/arch/index.ts";
import { readImage } from "../../src/image/read-image.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { refusalText } from "../kexec-error.ts";
import { NO_LOADER } from "../plan/requests.ts";

const part = "the kernel in the uki image";
const asked = (bytes: Uint8Array, more: { readonly part?: string } = {}) =>
  refusalText(() => readImage(imageTypes(), { path: "/boot/x", bytes, ...more }, null, NO_LOADER));

test.each([
  ["what no type takes", new Uint8Array(2000), "Cannot determine the file type of /boot/x"],
  ["what is broken", makeBzImage().subarray(0, 3000), "Cannot load /boot/x"],
])("%s: the reason is about the part that was read", (_, bytes, message) => {
  const [whole, inside] = [asked(bytes), asked(bytes, { part })];
  expect([whole.message, inside.message]).toEqual([message, message]);
  expect(inside.hint).toBe(`Of ${part}: ${whole.hint}`);
});
