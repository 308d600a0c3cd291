/**
 * elf-x86_64 and elf-x86: ELF executables, which Linux' vmlinux is one of. What a program is given
 * is its own convention: Linux' boot params, ELF boot notes, or nothing. [kexec-tools]
 */

import { ADDRESS_END, hex } from "../../../core/address.ts";
import { Writer } from "../../../core/bytes.ts";
import { fail, failImage } from "../../../core/error.ts";
import { type ElfBits, type ElfImage, readElf, whyNotElf } from "../../../image/elf-image.ts";
import { LINUX_OPTIONS } from "../../../image/linux-options.ts";
import { type ElfMove, placeElf } from "../../../image/place-elf.ts";
import type { X8664EntryState } from "../../../model/entry-state.ts";
import {
  type DraftPlan,
  type ImageType,
  notMine,
  type PlanContext,
} from "../../../model/image-type.ts";
import type { LoaderRequest } from "../../../model/request.ts";
import { BOOT_LOADER } from "../handoff/boot-loader.ts";
import { elfBootNotes } from "../handoff/elf-boot-notes.ts";
import { LOWEST_ADDRESS, PROTECTED_MODE_END, purgatoryPlace } from "../layout.ts";
import { fiveLevelPaging } from "./paging-mode.ts";
import { isVmlinux, LINUX_COMMAND_LINE, placeLinuxHandoff, vmlinuxMove } from "./vmlinux.ts";

type ArgumentStyle = NonNullable<LoaderRequest["argumentStyle"]>;

const UNKNOWN_PAGING =
  "the running kernel uses 5-level page tables, and an ELF file does not say whether its 64-bit " +
  "code may be entered so";

/** For 32-bit code: where its stack begins, in the segment of its notes. */
const STACK = 4096;

const endOf = (bits: ElfBits): bigint => (bits === 64 ? ADDRESS_END : PROTECTED_MODE_END);

/** An executable as it was read, and how it learns its command line. */
interface Executable {
  readonly elf: ElfImage;
  readonly isLinux: boolean;
  readonly style: ArgumentStyle;
  /** The style was asked for by an option. */
  readonly asked: boolean;
}

/** What cannot be had is refused in kexec-tools' words. */
function refuseStyle({ style, elf: { bits } }: Executable, context: PlanContext): void {
  if (style === "none" && bits === 32) {
    fail({ code: "plan.arguments", message: "--args-none only works on arch i386" });
  }
  if (style !== "linux" && context.inputs.dtb !== null) {
    const message = `an image with ${style} arguments takes no device tree`;
    failImage({ code: "image.dtb", message });
  }
  if (style === "linux" || context.inputs.initrd === null) return;
  fail({
    code: "plan.arguments",
    message: "Ramdisks not supported with generic elf arguments",
    hint: "A Linux kernel gets its initrd with --args-linux.",
  });
}

function moveOf({ elf, isLinux, style }: Executable): ElfMove | null {
  if (elf.relocatable) {
    return { alignment: elf.alignment, min: LOWEST_ADDRESS, max: endOf(elf.bits), from: "top" };
  }
  return isLinux && style === "linux" ? vmlinuxMove(elf) : null;
}

/** 64-bit code gets the notes' address as its first argument, 32-bit code on its stack. */
function placeNotes(context: PlanContext, bits: ElfBits) {
  const notes = elfBootNotes(BOOT_LOADER, context.commandLine?.text ?? null);
  const at = bits === 64 ? 0 : STACK;
  const addressAt = (start: bigint) => start + BigInt(at);
  const make = (start: bigint): Uint8Array => {
    const bytes = new Uint8Array(at + notes.length);
    bytes.set(notes, at);
    // A return address, which is none, and the argument.
    if (bits === 32) new Writer(bytes).u32(at - 4, Number(addressAt(start)));
    return bytes;
  };
  const segment = context.put({
    ...{ role: "boot-notes", size: BigInt(at + notes.length), alignment: 4n },
    ...{ min: LOWEST_ADDRESS, max: endOf(bits), bytes: make },
    reason: (start) => `the highest free pages; the ELF boot notes are at ${hex(addressAt(start))}`,
  });
  return { segment, address: addressAt(segment.start) };
}

function draft(context: PlanContext, executable: Executable): DraftPlan {
  const { elf, style, asked } = executable;
  const { bits } = elf;
  refuseStyle(executable, context);
  const image = placeElf(context, elf, {
    move: moveOf(executable),
    preferOwn: !elf.relocatable,
    whole: style === "linux",
  });
  const start: X8664EntryState = { arch: "x86_64", mode: bits, rip: image.entry };
  const own = [
    `the image gets ${style} arguments${asked ? ", as asked" : ""}`,
    ...(bits === 64 && fiveLevelPaging(context.facts) === true ? [UNKNOWN_PAGING] : []),
  ];
  if (style === "none") {
    return { segments: image.segments, entryState: start, commandLine: null, notes: own };
  }
  const commandLine = context.commandLine?.text ?? "";
  if (style === "linux") {
    const { segments, bootParams, commandLineEnd, notes } = placeLinuxHandoff(context, bits);
    return {
      segments: [...image.segments, ...segments],
      entryState: { ...start, rsi: bootParams },
      commandLine,
      commandLineEnd,
      notes: [...own, ...notes],
    };
  }
  const { segment, address } = placeNotes(context, bits);
  const entryState = bits === 64 ? { ...start, rdi: address } : { ...start, rsp: address - 8n };
  return { segments: [...image.segments, segment], entryState, commandLine, notes: own };
}

/** The type for executables with `bits` of `machines` (`e_machine`). */
export function elfExecutable(name: string, bits: ElfBits, machines: readonly number[]): ImageType {
  const options = [...LINUX_OPTIONS, "dtb", "args-elf", "args-linux", "args-none"];
  return {
    name,
    options,
    parse(file, { argumentStyle }) {
      const why = whyNotElf(file, bits, machines);
      if (why !== null) return notMine(why);
      const elf = readElf(file, bits);
      const isLinux = isVmlinux(elf);
      const style = argumentStyle ?? (isLinux ? "linux" : "elf");
      const executable = { elf, isLinux, style, asked: argumentStyle !== null };
      return {
        match: true,
        type: name,
        options,
        commandLineLimit: style === "linux" ? LINUX_COMMAND_LINE : null,
        takesEfi: bits === 64 && isLinux,
        memorySize: BigInt(file.length),
        whyNotByFile: "kexec_file_load takes no ELF executables on this architecture",
        purgatory: purgatoryPlace(bits),
        draft: (context) => draft(context, executable),
      };
    },
  };
}
