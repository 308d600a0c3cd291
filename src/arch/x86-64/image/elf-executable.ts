/**
 * elf-x86_64 and elf-x86: ELF executables, among them Linux's vmlinux. A program gets its arguments
 * in one of three styles: Linux's boot params, ELF boot notes, or none. [kexec-tools]
 */

import { ADDRESS_END, hex } from "../../../core/address.ts";
import { Writer } from "../../../core/bytes.ts";
import { fail, failImage } from "../../../core/error.ts";
import {
  type ElfBits,
  type ElfImage,
  isElf,
  readElf,
  whyNotElf,
} from "../../../image/elf-image.ts";
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
import {
  LOWEST_ADDRESS,
  LOWEST_ADDRESS_FROM,
  PROTECTED_MODE_END,
  purgatoryPlace,
  reachName,
} from "../layout.ts";
import { fiveLevelPaging } from "./paging-mode.ts";
import { isVmlinux, LINUX_COMMAND_LINE, placeLinuxHandoff, vmlinuxMove } from "./vmlinux.ts";

type ArgumentStyle = NonNullable<LoaderRequest["argumentStyle"]>;

const UNKNOWN_PAGING =
  "The running kernel uses 5-level page tables, and an ELF file does not say whether its 64-bit " +
  "code supports them.";

/** Offset of the stack in the segment of the notes, in bytes, for 32-bit code. */
const STACK = 4096;

const endOf = (bits: ElfBits): bigint => (bits === 64 ? ADDRESS_END : PROTECTED_MODE_END);

/** An executable, and the style of its arguments. */
interface Executable {
  readonly elf: ElfImage;
  readonly isLinux: boolean;
  readonly style: ArgumentStyle;
  /** Whether an option requested the style. */
  readonly asked: boolean;
}

/** Refuses what the style does not support, in kexec-tools' words. */
function refuseStyle({ style, elf: { bits } }: Executable, context: PlanContext): void {
  if (style === "none" && bits === 32) {
    fail({ code: "plan.arguments", message: "--args-none only works on arch i386" });
  }
  if (style !== "linux" && context.inputs.dtb !== null) {
    const message = `an image with ${style} arguments cannot get a device tree`;
    failImage({ code: "image.dtb", message });
  }
  if (style === "linux" || context.inputs.initrd === null) return;
  fail({
    code: "plan.arguments",
    message: "Ramdisks not supported with generic elf arguments",
    hint: "To pass an initrd to a Linux kernel, use --args-linux.",
  });
}

const limitsOf = (bits: ElfBits) => ({
  ...{ min: LOWEST_ADDRESS, minFrom: LOWEST_ADDRESS_FROM },
  ...{ max: endOf(bits), maxFrom: reachName(endOf(bits)) },
});

function moveOf({ elf, isLinux, style }: Executable): ElfMove | null {
  if (elf.relocatable) {
    return {
      ...{ alignment: elf.alignment, from: "top", aligned: "offset" },
      ...limitsOf(elf.bits),
    };
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
    // A return address of 0, and the argument.
    if (bits === 32) new Writer(bytes).u32(at - 4, Number(addressAt(start)));
    return bytes;
  };
  const segment = context.put({
    ...{ role: "boot-notes", size: BigInt(at + notes.length), alignment: 4n },
    ...limitsOf(bits),
    bytes: make,
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
    `The image gets ${style} arguments${asked ? `, because of --args-${style}` : ""}.`,
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
    mayBegin: isElf,
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
        whyNotByFile: "kexec_file_load does not load ELF executables on this architecture",
        purgatory: purgatoryPlace(bits),
        draft: (context) => draft(context, executable),
      };
    },
  };
}
