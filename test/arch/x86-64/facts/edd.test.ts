import { expect, test } from "bun:test";
import { type EddFiles, parseEddDevice } from "../../../../src/arch/x86-64/facts/edd.ts";
import { survivesDamage, textSurvivesDamage } from "../../../facts/damage.ts";
import { refusal } from "../../../kexec-error.ts";

const RAW = new Uint8Array(74);
RAW[0] = 30;

const FILES: EddFiles = {
  version: "0x30\n",
  extensions: "Fixed disk access\nDevice locking and ejecting\n64-bit extensions\n",
  legacy_max_cylinder: "1023\n",
  legacy_max_head: "255\n",
  legacy_sectors_per_track: "63\n",
  mbr_signature: "0x12345678\n",
  raw_data: RAW,
};
const NONE: EddFiles = {
  version: null,
  extensions: null,
  legacy_max_cylinder: null,
  legacy_max_head: null,
  legacy_sectors_per_track: null,
  mbr_signature: null,
  raw_data: null,
};

test("parseEddDevice() of a whole entry", () => {
  expect(parseEddDevice("int13_dev81", FILES)).toEqual({
    device: 0x81,
    version: 0x30,
    interfaceSupport: 0b1011,
    legacyMaxCylinder: 1023,
    legacyMaxHead: 255,
    legacySectorsPerTrack: 63,
    rawData: RAW,
    mbrSignature: 0x12345678,
  });
});

const DUMMY = {
  device: 0x80,
  version: 0,
  interfaceSupport: 0,
  legacyMaxCylinder: 0,
  legacyMaxHead: 0,
  legacySectorsPerTrack: 0,
  rawData: new Uint8Array(0),
  mbrSignature: null,
};

test("files that the kernel did not make are zeros", () => {
  expect(parseEddDevice("int13_dev80", NONE)).toEqual(DUMMY);
  const signed = parseEddDevice("int13_dev80", { ...NONE, mbr_signature: "0x00000000\n" });
  expect(signed).toEqual({ ...DUMMY, mbrSignature: 0 });
});

test("of version 0 only the signature counts", () => {
  const device = parseEddDevice("int13_dev80", { ...FILES, version: "0x00\n" });
  expect(device).toEqual({ ...DUMMY, mbrSignature: 0x12345678 });
});

test("Enhanced Disk Drive support is bit 2; unknown extensions are ignored", () => {
  const extensions = "Enhanced Disk Drive support\nTime travel\n";
  expect(parseEddDevice("int13_dev80", { ...FILES, extensions }).interfaceSupport).toBe(0b100);
});

test.each(["int13_dev", "int13_dev8g", "int13_dev080", "disk", ""])("%j is no drive", (name) => {
  expect(refusal(() => parseEddDevice(name, FILES)).code).toBe("facts.edd");
});

test.each([
  [{ version: "48h" }, "/sys/firmware/edd/int13_dev80/version: "],
  [{ legacy_max_head: "256" }, "/sys/firmware/edd/int13_dev80/legacy_max_head: "],
  [{ mbr_signature: "0x123456789" }, "/sys/firmware/edd/int13_dev80/mbr_signature: "],
])("%j is refused with the file's name", (files, start) => {
  const { code, message } = refusal(() => parseEddDevice("int13_dev80", { ...FILES, ...files }));
  expect(code).toBe("facts.number");
  expect(message).toStartWith(start);
});

test("raw data shorter than the BIOS says is refused; longer is cut at 74 bytes", () => {
  const short = { ...FILES, raw_data: RAW.slice(0, 29) };
  expect(refusal(() => parseEddDevice("int13_dev80", short)).message).toContain("30 bytes");
  const long = new Uint8Array(100);
  long[0] = 74;
  expect(parseEddDevice("int13_dev80", { ...FILES, raw_data: long }).rawData).toHaveLength(74);
  const empty = { ...FILES, raw_data: new Uint8Array(0) };
  expect(parseEddDevice("int13_dev80", empty).rawData).toHaveLength(0);
});

test("damaged files throw nothing but KexecErrors", () => {
  survivesDamage(RAW, (raw_data) => parseEddDevice("int13_dev80", { ...FILES, raw_data }));
  textSurvivesDamage("int13_dev80", (name) => parseEddDevice(name, FILES));
  textSurvivesDamage("Fixed disk access\n", (extensions) =>
    parseEddDevice("int13_dev80", { ...FILES, extensions }),
  );
});
