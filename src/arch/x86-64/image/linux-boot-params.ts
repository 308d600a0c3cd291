/**
 * The boot params of x86 Linux kernels of every image type: one segment with the zero page and the
 * data that it points to.
 */

import { alignUp, hex } from "../../../core/address.ts";
import { bytesOf } from "../../../core/bytes.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import { BOOT_PARAMS_SIZE, NO_X86_FACTS } from "../../../model/x86-64.ts";
import { buildBootParams } from "../handoff/boot-params.ts";
import { deviceTree } from "../handoff/device-tree.ts";
import { buildE820, type E820Map } from "../handoff/e820.ts";
import { buildEddTables } from "../handoff/edd-info.ts";
import { buildEfi, type EfiHandoff } from "../handoff/efi-info.ts";
import { nextScreen } from "../handoff/next-screen.ts";
import {
  layoutSetupData,
  SETUP_DATA_ALIGNMENT,
  SETUP_RNG_SEED,
  type SetupDataNode,
  setupDataSize,
} from "../handoff/setup-data.ts";
import type { SetupHeader } from "../handoff/setup-header.ts";
import { LOWEST_ADDRESS, LOWEST_ADDRESS_FROM, reachName } from "../layout.ts";

/** The differences between the types of Linux images. */
export interface LinuxHandoff {
  /** The kernel file, which begins with the boot sector: its setup header is copied. */
  readonly image: Uint8Array;
  readonly header: Pick<SetupHeader, "xloadflags">;
  readonly initrd: Segment | null;
  /** One past the highest address that the kernel reads before it has its own page tables. */
  readonly max: bigint;
  /** Whether the kernel is at random addresses already. */
  readonly kaslr?: boolean;
}

/** The zero page, the command line, the EFI memory map and the setup_data chain: one segment, as in
 * Linux's own loader, because a kernel takes only 16. [linux arch/x86/kernel/kexec-bzimage64.c] */
interface BootParamsPieces {
  /** The command line with its NUL, and free bytes behind it where the purgatory appends more. */
  readonly commandLine: Uint8Array;
  readonly efi: EfiHandoff;
  readonly efiMemoryMap: Uint8Array;
  readonly e820: E820Map;
  readonly nodes: readonly SetupDataNode[];
  readonly treeNotes: readonly string[];
}

/** Offsets from the start of the segment, and its size, in bytes. */
function layOut({ commandLine, efiMemoryMap, nodes }: BootParamsPieces) {
  const commandLineAt = BigInt(BOOT_PARAMS_SIZE);
  const efiMemoryMapAt = alignUp(commandLineAt + BigInt(commandLine.length), SETUP_DATA_ALIGNMENT);
  const setupDataAt = alignUp(efiMemoryMapAt + BigInt(efiMemoryMap.length), SETUP_DATA_ALIGNMENT);
  const size = setupDataAt + BigInt(setupDataSize(nodes));
  return { commandLineAt, efiMemoryMapAt, setupDataAt, size };
}

function collectPieces(
  context: PlanContext,
  { xloadflags }: LinuxHandoff["header"],
): BootParamsPieces {
  const { facts, request } = context;
  const efi = buildEfi({
    efi: facts.efi,
    bootParams: facts.x86_64?.bootParams ?? null,
    xloadflags,
    noEfi: request.noEfi,
  });
  const e820 = buildE820(context.memory);
  const tree = deviceTree(context.inputs.dtb);
  const nodes = [
    ...tree.nodes,
    ...(facts.rngSeed === null ? [] : [{ type: SETUP_RNG_SEED, data: facts.rngSeed }]),
    ...(efi.passed ? [efi.setupData] : []),
    ...(e820.extended === null ? [] : [e820.extended]),
  ];
  const room = "\0".repeat(context.commandLineRoom);
  const commandLine = bytesOf(`${context.commandLine?.text ?? ""}\0${room}`);
  const efiMemoryMap = efi.passed ? efi.memoryMap : new Uint8Array(0);
  return { commandLine, efi, efiMemoryMap, e820, nodes, treeNotes: tree.notes };
}

/** The segment, and the physical address of the command line's NUL. */
export interface LinuxBootParams {
  readonly segment: Segment;
  readonly commandLineEnd: bigint;
  readonly notes: readonly string[];
}

/** Takes memory for the boot params and the data that they point to, and makes the segment.
 * @throws KexecError `plan.no-room`, and as `buildBootParams` */
export function placeBootParams(
  context: PlanContext,
  { image, header, initrd, max, kaslr = false }: LinuxHandoff,
): LinuxBootParams {
  const { facts, request } = context;
  const pieces = collectPieces(context, header);
  const layout = layOut(pieces);
  const { reuseVideoType, console } = request;
  const own = facts.x86_64 ?? NO_X86_FACTS;
  const screen = nextScreen({ ...facts, ...own, reuseVideoType, resetVga: console.resetVga });
  const edd = buildEddTables(own.edd);
  const { efi } = pieces;
  const chainAt = (start: bigint) => layoutSetupData(pieces.nodes, start + layout.setupDataAt);
  const make = (start: bigint): Uint8Array => {
    const chain = chainAt(start);
    const zeroPage = buildBootParams({
      image,
      kaslr,
      commandLine: start + layout.commandLineAt,
      initrd: initrd && { address: initrd.start, size: BigInt(initrd.bytes.length) },
      setupData: chain.head,
      e820: pieces.e820,
      efi: efi.passed ? { handoff: efi, memoryMap: start + layout.efiMemoryMapAt } : null,
      screenInfo: screen.bytes,
      edd,
      acpiRsdp: facts.acpiRsdp,
      running: own.bootParams,
    });
    const bytes = new Uint8Array(Number(layout.size));
    bytes.set(zeroPage, 0);
    bytes.set(pieces.commandLine, Number(layout.commandLineAt));
    bytes.set(pieces.efiMemoryMap, Number(layout.efiMemoryMapAt));
    bytes.set(chain.bytes, Number(layout.setupDataAt));
    return bytes;
  };
  const segment = context.put({
    ...{ role: "boot-params", size: layout.size, alignment: SETUP_DATA_ALIGNMENT },
    ...{ min: LOWEST_ADDRESS, minFrom: LOWEST_ADDRESS_FROM, max, maxFrom: reachName(max) },
    bytes: make,
    reason: (start) =>
      "the highest free pages left by the larger segments; " +
      `the command line is at ${hex(start + layout.commandLineAt)}` +
      (pieces.nodes.length === 0 ? "" : `, setup_data at ${hex(chainAt(start).head)}`),
  });
  const commandLine = segment.start + layout.commandLineAt;
  return {
    segment,
    commandLineEnd: commandLine + BigInt(context.commandLine?.text.length ?? 0),
    notes: [efi.note, screen.note, ...edd.notes, ...pieces.treeNotes],
  };
}
