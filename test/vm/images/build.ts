/** Builds small images that say on the serial port what they are given. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../../scripts/command.ts";
import { makeNbi } from "../../images/make-nbi.ts";

/** General registers only, and nothing that needs a library. */
const FLAGS = [
  ...["-O1", "-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector"],
  ...["-fcf-protection=none", "-mgeneral-regs-only", "-mno-red-zone", "-Wall", "-Wextra"],
  ...["-Werror", "-fno-asynchronous-unwind-tables"],
];
/** Where programs are linked to run: RAM on every machine. */
const PLACE = "0x400000";
const NBI_SEGMENT = 0x2000;
const NBI_LINEAR = 0x100000;

/** Sizes of a zImage's parts, which zimage-start.S has too. */
const ZIMAGE_SETUP = 9 * 512;
const ZIMAGE_KERNEL = 0x1000;

type Width = 16 | 32 | 64;

interface Sources {
  readonly width: Width;
  readonly names: readonly string[];
  readonly defines?: readonly string[];
  /** Address of its first instruction. */
  readonly place: string;
}

/** An ELF file of the sources of this folder, and a flat binary of the same. */
function link({ width, names, defines = [], place }: Sources) {
  const folder = mkdtempSync(join(tmpdir(), "onekexec-image-"));
  const step = `Build ${names.join(" and ")} for ${width} bits`;
  try {
    const objects = names.map((name) => {
      const object = join(folder, `${name}.o`);
      // Assembly for real mode says itself where it begins.
      const machine = width === 16 && name.endsWith(".S") ? 32 : width;
      const words = defines.map((define) => `-D${define}`);
      const source = join(import.meta.dir, name);
      runCommand(step, ["gcc", `-m${machine}`, ...FLAGS, ...words, "-c", source, "-o", object]);
      return object;
    });
    const elf = join(folder, "image");
    const emulation = width === 64 ? "elf_x86_64" : "elf_i386";
    // -N: one piece, which begins at `place`; kexec-tools takes none that begins inside a page.
    const link = ["ld", "-m", emulation, "-N", `-Ttext=${place}`, "-e", "_start"];
    runCommand(step, [...link, "--build-id=none", "-o", elf, ...objects]);
    runCommand(step, ["objcopy", "-O", "binary", elf, `${elf}.bin`]);
    const read = (path: string) => new Uint8Array(readFileSync(path));
    return { elf: read(elf), flat: read(`${elf}.bin`) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** An ELF executable; with a `header` it is a multiboot image of that version. */
export function program(width: 32 | 64, header?: "MULTIBOOT" | "MULTIBOOT2"): Uint8Array {
  const defines = header === undefined ? [] : [header];
  return link({ width, names: ["start.S", "program.c"], defines, place: PLACE }).elf;
}

/** A zImage: real-mode code of as many sectors as its header says, and a kernel. */
export function zImage(): Uint8Array {
  const names = ["zimage-start.S", "zimage.c"];
  const { flat } = link({ width: 16, names, place: "0" });
  const image = new Uint8Array(ZIMAGE_SETUP + ZIMAGE_KERNEL);
  if (flat.length > ZIMAGE_SETUP) throw new RangeError(`${flat.length} bytes of real-mode code`);
  image.set(flat);
  image.set(Buffer.from("ZIMG"), ZIMAGE_SETUP);
  return image;
}

/** A network boot image that is entered in real mode, or in 32-bit mode. */
export function nbi(width: 16 | 32): Uint8Array {
  const names = ["nbi-start.S", "nbi.c"];
  if (width === 16) {
    const { flat } = link({ width, names, defines: ["REAL_MODE"], place: "0" });
    const records = [{ address: NBI_SEGMENT * 16, bytes: flat }];
    return makeNbi({ entry: NBI_SEGMENT * 0x10000, records });
  }
  const { flat } = link({ width, names, place: `0x${NBI_LINEAR.toString(16)}` });
  const records = [{ address: NBI_LINEAR, bytes: flat }];
  return makeNbi({ entry: NBI_LINEAR, flags: 0x8000_0000, records });
}
