/**
 * BIOS disk information (Enhanced Disk Drive services) for the next kernel, which has no BIOS to ask.
 * Reading /sys/firmware/edd is facts' task.
 *
 * [linux include/uapi/linux/edd.h] [linux drivers/firmware/edd.c] [linux arch/x86/boot/edd.c]
 */

import { hex } from "../core/address.ts";
import { Writer } from "../core/bytes.ts";
import { blob, defineStruct, u8, u16 } from "../core/struct.ts";
import type { EddDevice } from "../model/host-facts.ts";

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

/** Four fields of the zero page. */
export interface EddTables {
  readonly eddbuf_entries: number;
  /** 6 × 82 bytes. */
  readonly eddbuf: Uint8Array;
  readonly edd_mbr_sig_buf_entries: number;
  /** 16 × 4 bytes. */
  readonly edd_mbr_sig_buffer: Uint8Array;
  /** One sentence for each device that is not passed on. */
  readonly notes: readonly string[];
}

/** The first BIOS drive number of a hard disk. */
const FIRST_DRIVE = 0x80;

/** The tables for these devices. */
export function buildEddTables(devices: readonly EddDevice[]): EddTables {
  void devices;
  void Writer;
  void hex;
  void FIRST_DRIVE;
  throw new RangeError("being written");
}
