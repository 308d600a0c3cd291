/**
 * /sys/firmware/edd/int13_devXX: the drives that the BIOS reported to the running kernel.
 * [linux drivers/firmware/edd.c]
 */

import { Reader } from "../../../core/bytes.ts";
import { fail } from "../../../core/error.ts";
import { parseSmallNumber, quoted } from "../../../facts/sysfs-number.ts";
import type { EddDevice } from "../../../model/x86-64.ts";

export const EDD = "/sys/firmware/edd";

/** Size of edd_device_params in bytes. [linux include/uapi/linux/edd.h] */
const EDD_DEVICE_PARAM_SIZE = 74;

/** The contents of the files in a drive's directory. null: the kernel made no such file, because it
 * does not know the value, or the value is 0. */
export interface EddFiles {
  readonly version: string | null;
  readonly extensions: string | null;
  readonly legacy_max_cylinder: string | null;
  readonly legacy_max_head: string | null;
  readonly legacy_sectors_per_track: string | null;
  readonly mbr_signature: string | null;
  readonly raw_data: Uint8Array | null;
}

/** The lines of the file `extensions` and their EDD_EXT_ bits. */
const EXTENSIONS = [
  ["Fixed disk access", 1 << 0],
  ["Device locking and ejecting", 1 << 1],
  ["Enhanced Disk Drive support", 1 << 2],
  ["64-bit extensions", 1 << 3],
] as const;

/** Bit mask of the extensions that `text` lists, one a line; unknown lines are ignored. */
function parseExtensions(text: string): number {
  let mask = 0;
  for (const line of text.split("\n")) {
    for (const [name, bit] of EXTENSIONS) if (line.startsWith(name)) mask |= bit;
  }
  return mask;
}

/** At most the first 74 bytes. The first u16 of raw_data is the length that the BIOS claims. */
function checkRawData(bytes: Uint8Array, file: string): Uint8Array {
  const data = bytes.slice(0, EDD_DEVICE_PARAM_SIZE);
  if (data.length === 0) return data;
  const claimed = new Reader(data, file).u16(0);
  if (claimed <= data.length) return data;
  return fail({
    code: "facts.edd",
    message: `${file}: the BIOS claims ${claimed} bytes, but the file has ${data.length}`,
  });
}

/**
 * Parses the files of one drive. Of a drive with version 0 only the MBR signature is valid.
 * @param name the directory's name: `int13_dev80`
 * @throws KexecError `facts.edd`, `facts.number`, `struct.truncated`
 */
export function parseEddDevice(name: string, files: EddFiles): EddDevice {
  const [, device] = /^int13_dev([0-9a-f]{1,2})$/i.exec(name) ?? [];
  if (device === undefined) {
    return fail({
      code: "facts.edd",
      message: `${EDD}: ${quoted(name)} is not int13_devXX with a hexadecimal drive number`,
    });
  }
  const directory = `${EDD}/${name}`;
  const small = (file: keyof EddFiles & string, text: string | null, bits: 8 | 16 | 32): number =>
    text === null ? 0 : parseSmallNumber(text, `${directory}/${file}`, bits);
  const version = small("version", files.version, 8);
  const known = version === 0 ? null : files;
  const cylinder = known?.legacy_max_cylinder ?? null;
  const head = known?.legacy_max_head ?? null;
  const sectors = known?.legacy_sectors_per_track ?? null;
  return {
    device: Number(BigInt(`0x${device}`)),
    version,
    interfaceSupport: parseExtensions(known?.extensions ?? ""),
    legacyMaxCylinder: small("legacy_max_cylinder", cylinder, 16),
    legacyMaxHead: small("legacy_max_head", head, 8),
    legacySectorsPerTrack: small("legacy_sectors_per_track", sectors, 8),
    rawData: checkRawData(known?.raw_data ?? new Uint8Array(0), `${directory}/raw_data`),
    mbrSignature:
      files.mbr_signature === null ? null : small("mbr_signature", files.mbr_signature, 32),
  };
}
