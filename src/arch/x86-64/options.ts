/** The options that kexec-tools has on x86 only, and their handlers. [kexec-tools] */

import { strtoul } from "../../core/strtoul.ts";
import { archOption, rowsOf } from "../../model/option.ts";

/** The I/O port that `--serial` names; null if the text is no port. [kexec-tools] */
function serialPort(text: string): number | null {
  if (text === "ttyS0") return 0x3f8;
  if (text === "ttyS1") return 0x2f8;
  const port = text.startsWith("0x") ? strtoul(text.slice(2), 16) : null;
  return port !== null && port < 0x10000n ? Number(port) : null;
}

/** The rate of `--serial-baud`; null unless it is one that the port's integer divisor can make,
 * from 9600 to 115200 baud. [16550] */
function serialBaud(text: string): number | null {
  const baud = strtoul(text, 0);
  // For 0 kexec-tools divides by zero and dies. Differs: 0 is refused like other bad rates.
  if (baud === null || baud < 9600n || baud > 115200n || 115200n % baud !== 0n) return null;
  return Number(baud);
}

const arch = rowsOf("arch");

/** In kexec-tools' order. */
export const X86_64_OPTIONS = [
  archOption(
    arch.flag("reset-vga", "Reset a standard VGA adapter before the kernel starts"),
    (settings) => {
      settings.console.resetVga = true;
    },
  ),
  archOption(
    arch.valued("serial", "PORT", "Serial port for messages: ttyS0, ttyS1 or 0xPORT"),
    (settings, text) => {
      const port = serialPort(text);
      if (port === null) settings.badPort ??= `Bad serial port base '${text}'`;
      else settings.console.serialBase = port;
    },
  ),
  archOption(
    arch.valued("serial-baud", "BAUD", "Baud rate of that port: 9600 to 115200"),
    (settings, text) => {
      const baud = serialBaud(text);
      if (baud === null) settings.badPort ??= `Bad serial port baud rate '${text}'`;
      else settings.console.serialBaud = baud;
    },
  ),
  archOption(
    arch.flag("console-vga", "Print the purgatory's messages on the VGA text screen"),
    (settings) => {
      settings.console.vga = true;
    },
  ),
  archOption(
    arch.flag("console-serial", "Print the purgatory's messages on the serial port"),
    (settings) => {
      settings.console.serial = true;
    },
  ),
  // kexec-tools accepts these two on x86_64, and ignores them too.
  archOption(arch.flag("elf32-core-headers", "Accepted without effect"), () => {}),
  archOption(
    arch.flag("elf64-core-headers", "Accepted without effect: core headers are always ELF64"),
    () => {},
  ),
  archOption(
    arch.flag("pass-memmap-cmdline", "Pass a crash kernel its memory as memmap= parameters", {
      onlyWithLoad: true,
    }),
    (settings) => {
      settings.passMemmapCmdline = true;
    },
  ),
  // kexec-tools loses the command line if this or --reuse-video-type follows --append; differs.
  archOption(
    arch.flag("noefi", "Do not pass EFI on to the next kernel", { onlyWithLoad: true }),
    (settings) => {
      settings.noEfi = true;
    },
  ),
  archOption(
    arch.flag("reuse-video-type", "Pass the current video mode on, whichever driver set it", {
      onlyWithLoad: true,
    }),
    (settings) => {
      settings.reuseVideoType = true;
    },
  ),
] as const;
