/** The command lines of the programs that call kexec, as they write them. */

import { describe } from "bun:test";
import { differs, same } from "./compare.ts";
import { INITRD, INITRD_PIECE, KERNEL, KERNEL_PIECE } from "./inputs.ts";

const LINE = "root=UUID=1234-5678 ro quiet console=ttyS0,115200n8";
const BYTES = `${JSON.stringify(`${LINE}\0`)} (${LINE.length + 1})`;
const BY_SEGMENTS = `kexec_load flags 0x3e0000; ${KERNEL_PIECE}; ${INITRD_PIECE} -> 0`;
const BY_FILE = `kexec_file_load IN/vmlinuz IN/initrd ${BYTES} flags 0x0 -> 0`;
const MACHINE = { machine: { cmdline: `BOOT_IMAGE=/boot/vmlinuz ${LINE}\n` } };

/** Until 2.0.27 kexec-tools laid memory out itself where nobody said how to load. */
function sameButForDefault(argv: readonly string[], theirs: string, ours: string): void {
  const release = (release: number) => release < 27;
  const [before, now] = [{ calls: [theirs, "sync"] }, { calls: [ours, "sync"] }];
  differs("default-method", argv, { theirs: before, ours: now, release });
}

describe("load with an initrd and a command line", () => {
  for (const argv of [
    // Debian's kexec-load; petitboot writes its options in another order.
    ["-l", KERNEL, `--initrd=${INITRD}`, `--append=${LINE}`],
    ["-l", `--initrd=${INITRD}`, `--append=${LINE}`, KERNEL],
    // systemd up to 260
    ["--load", KERNEL, "--append", LINE, "--initrd", INITRD],
    // NixOS
    ["--load", KERNEL, `--initrd=${INITRD}`, `--append=${LINE}`],
  ]) {
    sameButForDefault(argv, BY_SEGMENTS, BY_FILE);
  }
  // nixos-images
  const noChecks = [`--initrd=${INITRD}`, "--no-checks", "--command-line", LINE];
  same(["--load", KERNEL, "--kexec-syscall-auto", ...noChecks]);
  // zfsbootmenu
  same(["-a", "-l", KERNEL, `--initrd=${INITRD}`, `--command-line=${LINE}`]);
});

describe("load a kernel alone, and unload", () => {
  const none = "kexec_load flags 0x3e0000 entry 0x0 nothing -> 0";
  // Linux' own tests
  same(["--load", "--kexec-file-syscall", KERNEL]);
  same(["--unload", "--kexec-file-syscall"]);
  differs("default-method", ["--unload"], {
    theirs: { calls: [none] },
    ours: { calls: ["kexec_file_load null null null (0) flags 0x1 -> 0"] },
    release: (release) => release < 27,
  });
  // LTP
  same(["-s", "-l", KERNEL, "--reuse-cmdline"], MACHINE);
  same(["-s", "-l", KERNEL, "--append=foo"]);
  same(["-s", "-l", KERNEL, "--command-line=bar"]);
  same(["-su"]);
  // Heads and petitboot, where there is nothing to append
  same(["-c", "-l", KERNEL, `--initrd=${INITRD}`, "--append="]);
  same(["-c", "-l", KERNEL, `--initrd=${INITRD}`, '--append=""']);
});

describe("crash kernels, where no memory is reserved", () => {
  const files = [`--command-line=${LINE}`, `--initrd=${INITRD}`, KERNEL];
  // Debian's kdump-config, Fedora's kdumpctl, openSUSE's load.sh, NixOS
  same(["-p", ...files]);
  same(["-p", "--args-linux", ...files]);
  same(["-s", "-p", ...files]);
  same(["-p", KERNEL, `--append=${LINE}`, `--initrd=${INITRD}`, "-a"]);
  same(["-p", KERNEL, `--initrd=${INITRD}`, "--reset-vga", "--console-vga", "--command-line=x"]);
  same(["-s", "-p", "-u"]);
  same(["-a", "-p", "-u"]);
  same(["-c", "-p", "-u"]);
});

describe("--args-linux for a kernel that gets such arguments anyway", () => {
  for (const method of ["-c", "-s"]) {
    differs("args-linux", [method, "-l", "--args-linux", KERNEL], {
      theirs: { stderr: ["kexec: unrecognized option '--args-linux'"] },
      ours: { stderr: [] },
    });
  }
});
