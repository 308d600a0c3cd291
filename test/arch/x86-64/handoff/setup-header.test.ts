import { describe, expect, test } from "bun:test";
import {
  readSetupHeader,
  SetupHeader,
  setupHeaderBytes,
  XLF_EFI_KEXEC,
} from "../../../../src/arch/x86-64/handoff/setup-header.ts";
import { refusal } from "../../../kexec-error.ts";
import { kernelImage } from "./images.ts";

describe("SetupHeader", () => {
  test("its fields lie side by side from 0x1f1 to 0x26c", () => {
    const fields = Object.values(SetupHeader.fields).sort((a, b) => a.offset - b.offset);
    let end = 0x1f1;
    for (const { offset, size } of fields) {
      expect(offset).toBe(end);
      end = offset + size;
    }
    expect(end).toBe(0x26c);
  });

  test("reads each field from its own bytes", () => {
    const image = Uint8Array.from({ length: 0x26c }, (_, i) => i & 0xff);
    const header = SetupHeader.read(image);
    expect(header.setup_sects).toBe(0xf1);
    expect(header.root_flags).toBe(0xf3f2);
    expect(header.boot_flag).toBe(0xfffe);
    expect(header.xloadflags).toBe(0x3736);
    expect(header.pref_address).toBe(0x5f5e5d5c5b5a5958n);
    expect(header.kernel_info_offset).toBe(0x6b6a6968);
  });
});

describe("setupHeaderBytes", () => {
  test.each([
    [0x2a, 0x22c, "the shortest, protocol 2.02"],
    [0x66, 0x268, "protocol 2.11 to 2.14"],
    [0x6a, 0x26c, "protocol 2.15"],
    [0x8e, 0x290, "all the room that boot_params has"],
    [0x8f, 0x290, "one more than boot_params has room for"],
    [0xff, 0x290, "the longest that the byte can say"],
  ])("length byte %p: to %p (%s)", (length, end) => {
    const image = kernelImage({ length, size: 1024 });
    const bytes = setupHeaderBytes(image);
    expect(bytes).toEqual(image.subarray(0x1f1, end));
  });

  test("an image cut at any offset is an error that names the header", () => {
    const whole = kernelImage();
    for (let size = 0; size < 0x26c; size += 1) {
      const error = refusal(() => setupHeaderBytes(whole.subarray(0, size)));
      expect(error.code).toBe("struct.truncated");
      expect(error.message).toStartWith("Linux setup header: ");
    }
    expect(setupHeaderBytes(whole.subarray(0, 0x26c)).length).toBe(0x26c - 0x1f1);
  });

  test.each([
    ["no boot sector magic", 0x1fe, 0x54],
    ["no HdrS", 0x202, 0x49],
    ["too short a header", 0x201, 0x29],
    ["a header without its own magic", 0x201, 0],
  ])("%s is an error", (_, offset, byte) => {
    const image = kernelImage();
    image[offset] = byte;
    expect(refusal(() => setupHeaderBytes(image)).code).toBe("image.setup-header");
  });
});

describe("readSetupHeader", () => {
  test("reads the image's values", () => {
    const header = readSetupHeader(kernelImage());
    expect(header).toMatchObject({
      setup_sects: 27,
      root_flags: 1,
      version: 0x020f,
      loadflags: 1,
      initrd_addr_max: 0x7fffffff,
      kernel_alignment: 0x200000,
      relocatable_kernel: 1,
      min_alignment: 0x15,
      cmdline_size: 2047,
    });
    expect(header.xloadflags & XLF_EFI_KEXEC).toBe(16);
  });

  test("what a short header does not have is 0, not the code behind it", () => {
    const header = readSetupHeader(kernelImage({ version: 0x0206, length: 0x3a }));
    expect(header.cmdline_size).toBe(2047);
    expect(header.hardware_subarch).toBe(0);
    expect(header.init_size).toBe(0);
    expect(header.kernel_info_offset).toBe(0);
  });
});
