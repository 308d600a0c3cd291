/**
 * BIOS disk information (Enhanced Disk Drive services) for the next kernel, whose real-mode code,
 * which would ask the BIOS, does not run. facts/edd.ts parses /sys/firmware/edd.
 *
 * [linux include/uapi/linux/edd.h] [linux drivers/firmware/edd.c] [linux arch/x86/boot/edd.c]
 */

import { hex } from "../../../core/address.ts";
import { Writer } from "../../../core/bytes.ts";
import { blob, defineStruct, type StructValue, u8, u16 } from "../../../core/struct.ts";
import type { EddDevice } from "../../../model/x86-64.ts";

export const EDDMAXNR = 6;
export const EDD_MBR_SIG_MAX = 16;
export const EDDPARMSIZE = 74;

export const EddInfo = defineStruct("edd_info", 82, {
  device: u8(0),
  version: u8(1),
  interface_support: u16(2),
  legacy_max_cylinder: u16(4),
  legacy_max_head: u8(6),
  legacy_sectors_per_track: u8(7),
  params: blob(8, EDDPARMSIZE),
});
export type EddInfo = StructValue<typeof EddInfo.fields>;

/** The four EDD fields of the zero page, and notes for the plan. */
export interface EddTables {
  readonly eddbuf_entries: number;
  /** 6 × 82 bytes. */
  readonly eddbuf: Uint8Array;
  readonly edd_mbr_sig_buf_entries: number;
  /** 16 × 4 bytes. */
  readonly edd_mbr_sig_buffer: Uint8Array;
  /** One sentence for each thing that is not passed on. */
  readonly notes: readonly string[];
}

/** Directory int13_devXX belongs to entry XX - 0x80 of both tables. */
const FIRST_DRIVE = 0x80;

/**
 * The tables for these devices.
 *
 * Both tables are indexed by drive: int13_dev81 is entry 1 of each, in the running kernel and in
 * the next one. kexec-tools packs the MBR signatures in the order of readdir(3) instead: if one
 * disk has no signature, the disks after it get wrong ones. kexec-tools also drops all of EDD if
 * one device is invalid, and writes past the table for a seventh device.
 */
export function buildEddTables(devices: readonly EddDevice[]): EddTables {
  const eddbuf = new Uint8Array(EDDMAXNR * EddInfo.size);
  const edd_mbr_sig_buffer = new Uint8Array(EDD_MBR_SIG_MAX * 4);
  const signatures = new Writer(edd_mbr_sig_buffer);
  const notes: string[] = [];
  let eddbuf_entries = 0;
  let edd_mbr_sig_buf_entries = 0;
  for (const device of devices) {
    const index = device.device - FIRST_DRIVE;
    if (index < 0 || index >= EDD_MBR_SIG_MAX) {
      notes.push(`EDD: drive ${hex(device.device)} is left out: it has no entry in boot_params.`);
      continue;
    }
    if (device.mbrSignature !== null) {
      signatures.u32(index * 4, device.mbrSignature);
      edd_mbr_sig_buf_entries = Math.max(edd_mbr_sig_buf_entries, index + 1);
    }
    // Of a device with version 0 only the MBR signature is valid.
    if (device.version === 0) continue;
    if (index >= EDDMAXNR) {
      notes.push(
        `EDD: the parameters of drive ${hex(device.device)} are left out: boot_params has room ` +
          `for ${EDDMAXNR} drives.`,
      );
      continue;
    }
    EddInfo.write(eddbuf, entryOf(device), index * EddInfo.size);
    eddbuf_entries = Math.max(eddbuf_entries, index + 1);
  }
  return { eddbuf_entries, eddbuf, edd_mbr_sig_buf_entries, edd_mbr_sig_buffer, notes };
}

/** `params` has the bytes that were read, at most 74, whatever length the BIOS claims in them. */
function entryOf(device: EddDevice): EddInfo {
  const params = new Uint8Array(EDDPARMSIZE);
  params.set(device.rawData.subarray(0, EDDPARMSIZE));
  return {
    device: device.device,
    version: device.version,
    interface_support: device.interfaceSupport,
    legacy_max_cylinder: device.legacyMaxCylinder,
    legacy_max_head: device.legacyMaxHead,
    legacy_sectors_per_track: device.legacySectorsPerTrack,
    params,
  };
}
