/** Files that the kexecs are told to load: a real kernel, and what people load by mistake. */

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureKernel } from "../../scripts/kernels.ts";
import { refreshPackageLists } from "../../scripts/machine.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeElf } from "../images/make-elf.ts";
import { multiboot2Header, multibootHeader } from "../images/make-multiboot.ts";
import { makeBeoboot, makeNbi } from "../images/make-nbi.ts";
import type { KnownPiece } from "./seen.ts";

const INITRD_SIZE = 3_000_001;
const MIB = 1 << 20;

const quiet = () => {};
const whole = readFileSync(ensureKernel("6.1", quiet, () => refreshPackageLists(quiet)).vmlinuz);
/** Without its payload's place, which no other reads: onekexec does not unpack it then, which takes
 * time in each test and is a difference of its own. [x86-boot] 0x248 payload_offset */
const source = Buffer.from(whole);
source.fill(0, 0x248, 0x250);

/** An ordinary user can read all but `secret`. */
export const FOLDER = mkdtempSync(join(tmpdir(), "onekexec-inputs-"));
chmodSync(FOLDER, 0o755);
process.on("exit", () => rmSync(FOLDER, { recursive: true, force: true }));

function file(name: string, bytes: Uint8Array | string, mode = 0o644): string {
  const path = join(FOLDER, name);
  writeFileSync(path, bytes, { mode });
  return path;
}

/** Bytes that look like nothing. */
function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 1;
  for (let i = 0; i < size; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Debian's kernel; and as Debian has it. */
export const KERNEL = file("vmlinuz", source);
export const WITH_PAYLOAD = file("with-payload", whole);
export const INITRD = file("initrd", noise(INITRD_SIZE));
export const MISSING = join(FOLDER, "missing");
export const EMPTY = file("empty", "");
export const DIRECTORY = join(FOLDER, "directory");
mkdirSync(DIRECTORY);
export const FIFO = join(FOLDER, "fifo");
execFileSync("mkfifo", [FIFO]);
/** A kernel that its copying left half. */
export const CUT = file("cut", source.subarray(0, 4 * MIB));
/** Its boot sector and a little more; and less than that. */
export const STUMP = file("stump", source.subarray(0, 600));
export const SHORT_STUMP = file("short-stump", source.subarray(0, 100));
export const NOISE = file("noise", noise(5000));
export const TEXT = file("text", "This is a text, and no kernel.\n");
export const GZIPPED = file("vmlinuz.gz", Bun.gzipSync(new Uint8Array(source), { level: 1 }));
/** A kernel of the old kind, without much in it. */
export const ZIMAGE = file(
  "zimage",
  makeBzImage({ version: 0x0202, loadflags: 0, relocatable: 0, xloadflags: 0 }),
);
/** What its header says as Memtest86+ does: entered at 1 MiB only, and a last paragraph that is not
 * whole. */
export const FIXED = file(
  "fixed",
  makeBzImage({
    ...{ version: 0x020c, relocatable: 0, xloadflags: 0x09, cmdlineSize: 255 },
    ...{ kernelAlignment: 0x1000, prefAddress: 0x100000n, initSize: 0x6acf8, codeSize: 0x22dc0 },
  }).subarray(0, -8),
);
/** Network boot images of 32 and 16 bits, a kernel in a container, and a program whose second part
 * begins inside a page. */
const SOME = noise(3000);
const location = 0x1000_0000;
export const NBI_32 = file(
  "nbi32",
  makeNbi({ location, entry: MIB, flags: 0x8000_0000, records: [{ address: MIB, bytes: SOME }] }),
);
export const NBI_16 = file(
  "nbi16",
  makeNbi({ location, entry: 0x2000_0000, records: [{ address: 0x2_0000, bytes: SOME }] }),
);
export const BEOBOOT = file("beoboot", makeBeoboot({ commandLine: "x y\0", kernel: source }));
function part(physical: bigint) {
  return { physical, bytes: SOME };
}
function linuxPart() {
  const bytes = SOME.slice();
  bytes.set(Buffer.from("Linux version 6.1.0-test (someone)"), 0x100);
  return { physical: 0x100_0000n, virtual: 0xffff_ffff_8100_0000n, bytes };
}
function multibootPart() {
  const bytes = SOME.slice();
  bytes.set(multibootHeader(0), 0);
  return { physical: 0x40_0000n, bytes };
}
const PARTS = [0x40_0000n, 0x40_1010n].map((physical) => ({ physical, bytes: SOME }));
export const UNALIGNED = file("unaligned", makeElf({ bits: 64, parts: PARTS }));
/** A program, a Linux kernel by what tells it from others, and a multiboot image. */
export const PROGRAM = file("program", makeElf({ bits: 64, parts: [part(0x40_0000n)] }));
export const VMLINUX = file("vmlinux", makeElf({ bits: 64, parts: [linuxPart()] }));
export const MULTIBOOT = file("multiboot", makeElf({ bits: 32, parts: [multibootPart()] }));
/** A multiboot2 image; the header is behind those of ELF, which take 0x54 bytes. */
const HEADER = Uint8Array.from([0, 0, 0, 0, ...multiboot2Header([])]);
export const MULTIBOOT2 = file(
  "multiboot2",
  makeElf({ bits: 32, parts: [{ physical: 0x20_0000n, bytes: HEADER }] }),
);
/** A kernel that only root can read. */
export const SECRET = file("secret", source, 0o600);

/** The boot sector and real-mode code, which no kexec loads. [x86-boot] 0x1f1 */
const SETUP_SIZE = ((source[0x1f1] ?? 0) + 1) * 512;

/** Bytes of the 64-bit kernel. */
export const KERNEL_SIZE = source.length - SETUP_SIZE;
/** Memory that the kernel takes until it has unpacked itself, in whole pages. [x86-boot] 0x260 */
const INIT_SIZE = Math.ceil(source.readUInt32LE(0x260) / 4096) * 4096;

/** How `seen` describes the kernel among the segments. */
export const KERNEL_PIECE = `kernel: ${KERNEL_SIZE} bytes in 0x${INIT_SIZE.toString(16)}`;
const INITRD_MEMORY = Math.ceil(INITRD_SIZE / 4096) * 4096;
/** The same for the initrd, which takes whole pages. */
export const INITRD_PIECE = `initrd: ${INITRD_SIZE} bytes in 0x${INITRD_MEMORY.toString(16)}`;

/** What both load as it is. */
export const PIECES: readonly KnownPiece[] = [
  { name: "kernel", size: KERNEL_SIZE },
  { name: "initrd", size: INITRD_SIZE },
];

/** The longest command line that the kernel takes, in bytes with its NUL. [x86-boot] 0x238 */
export const COMMAND_LINE_SIZE = source.readUInt32LE(0x238);
