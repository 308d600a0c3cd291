/** The addresses in what an x86 Linux kernel is given: boot params, or its own real-mode code. */

import { Reader } from "../../../core/bytes.ts";
import type { SegmentRole } from "../../../model/load-plan.ts";
import type { Pointer, PointingPlan } from "../../../model/pointer.ts";
import { BOOT_PARAMS_SIZE } from "../../../model/x86-64.ts";
import { BootParams } from "../handoff/boot-params.ts";
import { EfiInfo } from "../handoff/efi-info.ts";
import { SetupData } from "../handoff/setup-data.ts";
import { LOADED_HIGH, SetupHeader } from "../handoff/setup-header.ts";
import { OLD_COMMAND_LINE } from "../image/bzimage-real-mode.ts";
import { VERSION_CMD_LINE_PTR, VERSION_SETUP_DATA } from "../image/bzimage-versions.ts";
import { bytesAt, textSize } from "./segment-reader.ts";

/** Linux has no limit of its own; a longer chain is one without end. */
const NODES_MAX = 1024;
/** In no segment. */
const NOWHERE = { start: 0n, size: 1n << 64n } as const;

const joinedHalves = (low: number, high: number): bigint => BigInt(low) | (BigInt(high) << 32n);

/** Each node of a setup_data chain, with its data. */
function chainPointers({ segments }: PointingPlan, head: bigint, role: SegmentRole): Pointer[] {
  const pointers: Pointer[] = [];
  let at = head;
  while (at !== 0n && pointers.length < NODES_MAX) {
    const bytes = bytesAt(segments, at, SetupData.size);
    const { next, len } = bytes === null ? { next: 0n, len: 0 } : SetupData.read(bytes);
    const size = BigInt(SetupData.size + len);
    pointers.push({ what: "a node of setup_data", start: at, size, roles: [role] });
    at = next;
  }
  if (at === 0n) return pointers;
  return [{ what: "the end of the setup_data chain", ...NOWHERE, roles: [role] }];
}

/** The initrd's address in the boot params; none where there is no initrd and none is named. */
function initrdPointers({ segments }: PointingPlan, start: bigint, size: bigint): Pointer[] {
  const isThere = segments.some(({ role }) => role === "initrd");
  if (!isThere && size === 0n) return [];
  return [{ what: "the initrd", start, size: size > 0n ? size : NOWHERE.size, roles: ["initrd"] }];
}

/** Of a kernel that finds boot params at `address`. */
export function bootParamsPointers(plan: PointingPlan, address: bigint): Pointer[] {
  const { segments } = plan;
  const own = { roles: ["boot-params"] } as const;
  const size = BigInt(BOOT_PARAMS_SIZE);
  const page: Pointer = { what: "the boot params", start: address, size, ...own };
  const bytes = bytesAt(segments, address, BOOT_PARAMS_SIZE);
  if (bytes === null) return [page];
  const header = SetupHeader.read(bytes);
  const params = BootParams.read(bytes);
  const commandLine = joinedHalves(header.cmd_line_ptr, params.ext_cmd_line_ptr);
  const efi = EfiInfo.read(params.efi_info);
  const map = {
    what: "the EFI memory map",
    start: joinedHalves(efi.efi_memmap, efi.efi_memmap_hi),
    size: BigInt(efi.efi_memmap_size),
    ...own,
  };
  return [
    page,
    {
      ...{ what: "the command line", start: commandLine },
      ...{ size: textSize(segments, commandLine), ...own },
    },
    ...initrdPointers(
      plan,
      joinedHalves(header.ramdisk_image, params.ext_ramdisk_image),
      joinedHalves(header.ramdisk_size, params.ext_ramdisk_size),
    ),
    ...chainPointers(plan, header.setup_data, "boot-params"),
    ...(map.size === 0n ? [] : [map]),
  ];
}

/** Of a kernel whose real-mode code begins at `start`. */
export function realModePointers(plan: PointingPlan, start: bigint): Pointer[] {
  const own = { roles: ["real-mode"] } as const;
  const size = BigInt(SetupHeader.size);
  const code: Pointer = { what: "the real-mode code", start, size, ...own };
  const bytes = bytesAt(plan.segments, start, SetupHeader.size);
  if (bytes === null) return [code];
  const header = SetupHeader.read(bytes);
  const { version, loadflags, code32_start, ramdisk_image, ramdisk_size } = header;
  const oldLine = start + BigInt(new Reader(bytes, "boot sector").u16(OLD_COMMAND_LINE.offsetAt));
  const commandLine = version < VERSION_CMD_LINE_PTR ? oldLine : BigInt(header.cmd_line_ptr);
  const entry = { what: "code32_start", start: BigInt(code32_start), size: 1n } as const;
  return [
    code,
    {
      ...{ what: "the command line", start: commandLine },
      ...{ size: textSize(plan.segments, commandLine), ...own },
    },
    ...((loadflags & LOADED_HIGH) === 0 ? [] : [{ ...entry, roles: ["kernel"] } as const]),
    ...initrdPointers(plan, BigInt(ramdisk_image), BigInt(ramdisk_size)),
    ...(version < VERSION_SETUP_DATA ? [] : chainPointers(plan, header.setup_data, "setup-data")),
  ];
}
