/**
 * One image type alone, without a plan around it: a machine that is nothing but a few ranges of
 * RAM, and a placer that writes down what it was asked for.
 */

import { ADDRESS_END, hex } from "../../src/core/address.ts";
import { textUntilNul } from "../../src/core/bytes.ts";
import { CommandLine } from "../../src/core/command-line.ts";
import { NoRoom } from "../../src/core/no-room.ts";
import type { Range } from "../../src/core/range.ts";
import { LINUX_CRASH_RULES, LINUX_SEGMENT_RULES } from "../../src/facts/linux-rules.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import type { DraftPlan, Image, ImageType, PlanContext } from "../../src/model/image-type.ts";
import type { Segment } from "../../src/model/load-plan.ts";
import type { MemoryRange } from "../../src/model/memory.ts";
import type { LoaderRequest, LoadRequest } from "../../src/model/request.ts";
import { Placer } from "../../src/plan/placer.ts";
import { file } from "../plan/pieces.ts";
import { loadRequest, NO_LOADER } from "../plan/requests.ts";

const ram = (start: bigint, end: bigint): MemoryRange => ({ start, end, type: "ram" });

/** 640 KiB without the interrupt vectors, 1 MiB to 1 GiB, and 1 GiB above 4 GiB. */
const MEMORY: readonly MemoryRange[] = [
  ram(0x400n, 0xa0000n),
  ram(0x100000n, 0x40000000n),
  ram(0x100000000n, 0x140000000n),
];

/** A machine of which nothing else is known. */
const FACTS: HostFacts = {
  format: 1,
  architecture: "x86_64",
  machine: "x86_64",
  kernelRelease: "6.12.0",
  kernelVersion: "#1",
  pageSize: 4096,
  memoryMap: { source: "firmware-memmap", ranges: MEMORY },
  systemRam: null,
  kho: null,
  memTotal: null,
  crashRegions: [],
  crashCma: [],
  crash: null,
  bootCommandLine: null,
  efi: null,
  acpiRsdp: null,
  x86_64: null,
  kexec: {
    ...{ loaded: null, crashLoaded: null, crashSize: null },
    ...{ loadDisabled: null, crashElfcorehdrSize: null },
  },
  lockdown: null,
  capabilities: null,
  rngSeed: null,
  planKinds: ["segments"],
  segmentRules: LINUX_SEGMENT_RULES,
  crashRules: LINUX_CRASH_RULES,
  xen: null,
  notes: [],
};

/** What a test gives an image besides its file; what is left out is not there. */
export interface Given {
  readonly commandLine?: string;
  /** Bytes to be left behind the command line. */
  readonly room?: number;
  readonly initrd?: Uint8Array;
  readonly dtb?: Uint8Array;
  /** Each with its option's text. */
  readonly modules?: readonly { readonly bytes: Uint8Array; readonly commandLine: string }[];
  readonly facts?: Partial<HostFacts>;
  readonly request?: Partial<LoadRequest>;
  /** In place of all RAM. */
  readonly free?: readonly Range[];
  readonly capture?: boolean;
  readonly ownsMachine?: boolean;
}

/** What an image drafted. */
export interface Drafted {
  readonly image: Image;
  readonly draft: DraftPlan;
  /** What was asked of the placer, in order, a line each: where it is, and the limits it had. */
  readonly asked: readonly string[];
  /** Address, memory and bytes of each segment, in the draft's order. */
  readonly segments: readonly string[];
}

const orEnd = (address: bigint): string => (address === ADDRESS_END ? "2^64" : hex(address));

/** A placer like a plan's, and what it is asked for. */
function recordingPlacer(free: readonly Range[], facts: HostFacts) {
  const placer = new Placer(free, BigInt(facts.pageSize), facts.segmentRules.guestOwned);
  const asked: string[] = [];
  const got: bigint[] = [];
  const record = (segments: readonly Segment[] | NoRoom, role: string, limits: string) => {
    const placed = segments instanceof NoRoom ? [] : segments;
    const places = placed.map(({ start }) => start);
    // A segment without bytes only keeps other segments away; the draft may leave it out.
    got.push(...placed.filter(({ bytes }) => bytes.length > 0).map(({ start }) => start));
    asked.push(`${role} ${places.map(hex).join(" ") || "nowhere"}: ${limits}`);
  };
  const tryPut: PlanContext["tryPut"] = (piece) => {
    const segment = placer.tryPut(piece);
    const { alignment = 1n, min = 0n, max = ADDRESS_END, from = "top", bytes } = piece;
    const size = piece.size ?? BigInt(bytes.length);
    const end = typeof from === "object" ? "a random place" : from;
    const limits = `${hex(size)} by ${hex(alignment)} in [${hex(min)}, ${orEnd(max)}) from ${end}`;
    record(segment instanceof NoRoom ? segment : [segment], piece.role, limits);
    return segment;
  };
  const tryPutFixed: PlanContext["tryPutFixed"] = (pieces) => {
    const segments = placer.tryPutFixed(pieces);
    const limits = pieces.map(({ start, size }) => `${hex(size)} at ${hex(start)}`).join(", ");
    const guest = pieces.some(({ guestOwnedOnly }) => guestOwnedOnly) ? ", guest-owned only" : "";
    record(segments, pieces[0]?.role ?? "nothing", limits + guest);
    return segments;
  };
  const put: PlanContext["put"] = (piece) => {
    const segment = tryPut(piece);
    return segment instanceof NoRoom ? segment.throw() : segment;
  };
  return { asked, got, put, tryPut, tryPutFixed };
}

/** What `type` reads in a file. @throws Error where it is of another type */
export function imageOf(
  type: ImageType,
  bytes: Uint8Array,
  loader: Partial<LoaderRequest> = {},
): Image {
  const image = type.parse(bytes, { ...NO_LOADER, ...loader });
  if (!image.match) throw new Error(`not of type ${type.name}: ${image.why}`);
  return image;
}

/** Why the file is of another type than `type`. @throws Error where it is of this type */
export function whyNot(type: ImageType, bytes: Uint8Array): string {
  const answer = type.parse(bytes, NO_LOADER);
  if (answer.match) throw new Error(`${type.name} takes the file`);
  return answer.why;
}

/**
 * What the image in `bytes` drafts on the machine of this file.
 * @throws KexecError as the image; Error where it takes memory that is in none of its segments
 */
export function draftOf(
  type: ImageType,
  bytes: Uint8Array,
  given: Given = {},
  loader: Partial<LoaderRequest> = {},
): Drafted {
  const image = imageOf(type, bytes, loader);
  const facts = { ...FACTS, ...given.facts };
  const { asked, got, ...placing } = recordingPlacer(given.free ?? MEMORY, facts);
  const { commandLine, room = 0, initrd, dtb, modules = [] } = given;
  const draft = image.draft({
    ...placing,
    request: loadRequest({ loader: { ...NO_LOADER, ...loader }, ...given.request }),
    facts,
    inputs: {
      kernel: file("/boot/image", bytes),
      initrd: initrd === undefined ? null : file("/boot/initrd", initrd),
      dtb: dtb === undefined ? null : file("/boot/dtb", dtb),
      modules: modules.map((module) => ({ ...file("/boot/module", module.bytes), ...module })),
    },
    commandLineRoom: room,
    commandLine:
      commandLine === undefined ? null : CommandLine.of(commandLine, image.commandLineLimit),
    memory: facts.memoryMap?.ranges ?? [],
    capture: given.capture ?? false,
    ownsMachine: given.ownsMachine ?? true,
  });
  const lost = got.filter((start) => !draft.segments.some((segment) => segment.start === start));
  if (lost.length > 0) throw new Error(`no segment has the memory at ${lost.map(hex).join(", ")}`);
  const segments = draft.segments.map(
    ({ role, start, size, bytes: { length } }) =>
      `${role} ${hex(start)}: ${hex(size)}, ${hex(length)} bytes`,
  );
  return { image, draft, asked, segments };
}

/** The draft's bytes from `address` to the end of its segment. @throws where no segment has it */
export function bytesAt({ draft }: Drafted, address: bigint): Uint8Array {
  const found = draft.segments.find(
    ({ start, bytes }) => start <= address && address < start + BigInt(bytes.length),
  );
  if (found === undefined) throw new Error(`no segment has bytes at ${hex(address)}`);
  return found.bytes.subarray(Number(address - found.start));
}

/** The text at `address`, up to its NUL. */
export const textAt = (drafted: Drafted, address: bigint): string =>
  textUntilNul(bytesAt(drafted, address));
