/**
 * elf-x86_64 and elf-x86: ELF executables, which Linux' vmlinux is one of. What a program is given
 * is its own convention: Linux' boot params, ELF boot notes, or nothing. [kexec-tools]
 */

import { ADDRESS_END, alignUp, GIB, hex } from "../../../core/address.ts";
import { Writer } from "../../../core/bytes.ts";
import { fail } from "../../../core/error.ts";
import { type ElfBits, type ElfImage, probeElf, readElf } from "../../../image/elf-image.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import { type ElfMove, placeElf } from "../../../image/place-elf.ts";
import type { DraftPlan, EntryState, ImageType, PlanContext } from "../../../model/image-type.ts";
import type { Segment } from "../../../model/load-plan.ts";
import type { LoaderRequest } from "../../../model/request.ts";
import { BOOT_LOADER } from "../handoff/boot-loader.ts";
import { elfBootNotes } from "../handoff/elf-boot-notes.ts";
import { checkLinuxCommandLine, isVmlinux, placeLinuxHandoff, vmlinuxMove } from "./vmlinux.ts";

type ArgumentStyle = NonNullable<LoaderRequest["argumentStyle"]>;

/** What firmware left in the first pages stays. */
const LOWEST = 0x3000n;
/** For 32-bit code: where its stack begins, in the segment of its notes. */
const STACK = 4096;

const endOf = (bits: ElfBits): bigint => (bits === 64 ? ADDRESS_END : 4n * GIB);

/** What cannot be had is refused in kexec-tools' words. */
function refuseStyle(style: ArgumentStyle, bits: ElfBits, context: PlanContext): void {
  if (style === "none" && bits === 32) {
    fail({ code: "plan.arguments", message: "--args-none only works on arch i386" });
  }
  if (style !== "linux" && context.inputs.dtb !== null) {
    fail({ code: "image.dtb", message: `an image with ${style} arguments takes no device tree` });
  }
  if (style === "linux" || context.inputs.initrd === null) return;
  fail({
    code: "plan.arguments",
    message: "Ramdisks not supported with generic elf arguments",
    hint: "A Linux kernel gets its initrd with --args-linux.",
  });
}

/** @param isLinux whether it is a Linux kernel that gets Linux' arguments */
function moveOf(elf: ElfImage, isLinux: boolean): ElfMove | null {
  if (elf.relocatable) {
    return { alignment: elf.alignment, min: LOWEST, max: endOf(elf.bits), from: "top" };
  }
  return isLinux ? vmlinuxMove(elf) : null;
}

/** 64-bit code gets the notes' address as its first argument, 32-bit code on its stack. */
function placeNotes(context: PlanContext, bits: ElfBits) {
  const notes = elfBootNotes(BOOT_LOADER, context.commandLine);
  const at = bits === 64 ? 0 : STACK;
  const size = alignUp(BigInt(at + notes.length), BigInt(context.facts.pageSize));
  const start = context.place({
    role: "boot-notes",
    size,
    alignment: 4n,
    min: LOWEST,
    max: endOf(bits),
    from: "top",
  });
  const bytes = new Uint8Array(at + notes.length);
  bytes.set(notes, at);
  const address = start + BigInt(at);
  // A return address, which is none, and the argument.
  if (bits === 32) new Writer(bytes).u32(at - 4, Number(address));
  const reason = `the highest free pages; the ELF boot notes are at ${hex(address)}`;
  const segment: Segment = { role: "boot-notes", start, size, bytes, sha256: null, reason };
  return { segment, address };
}

function draft(bits: ElfBits, context: PlanContext): DraftPlan {
  const elf = readElf(context.inputs.kernel.bytes, bits);
  const isLinux = isVmlinux(elf);
  const asked = context.request.loader.argumentStyle;
  const style = asked ?? (isLinux ? "linux" : "elf");
  refuseStyle(style, bits, context);
  if (style === "linux") checkLinuxCommandLine(context.commandLine);
  const image = placeElf(context, elf, {
    move: moveOf(elf, isLinux && style === "linux"),
    preferOwn: !elf.relocatable,
    whole: style === "linux",
  });
  const start: EntryState = { mode: bits, rip: image.entry };
  const named = asked === null ? "" : ", as asked";
  const note = `the image gets ${style} arguments${named}`;
  if (style === "none") {
    return { segments: image.segments, entryState: start, commandLine: null, notes: [note] };
  }
  const commandLine = context.commandLine ?? "";
  if (style === "linux") {
    const { segments, bootParams, commandLineEnd, notes } = placeLinuxHandoff(context, bits);
    return {
      segments: [...image.segments, ...segments],
      entryState: { ...start, rsi: bootParams },
      commandLine,
      commandLineEnd,
      notes: [note, ...notes],
    };
  }
  const { segment, address } = placeNotes(context, bits);
  const entryState = bits === 64 ? { ...start, rdi: address } : { ...start, rsp: address - 8n };
  return { segments: [...image.segments, segment], entryState, commandLine, notes: [note] };
}

/** The type for executables with `bits` of `machines` (`e_machine`). */
export function elfExecutable(name: string, bits: ElfBits, machines: readonly number[]): ImageType {
  return {
    name,
    architectures: ["x86_64"],
    options: [...LINUX_OPTIONS, "dtb", "args-elf", "args-linux", "args-none"],
    probe: (image) => probeElf(image, bits, machines),
    check(image) {
      readElf(image, bits);
    },
    takesEfi: (image) => bits === 64 && isVmlinux(readElf(image, bits)),
    entryBits: bits,
    whyNotByFile: () => "kexec_file_load takes no ELF executables on this architecture",
    draft: (context) => draft(bits, context),
  };
}
