/**
 * What makedumpfile leaves of a crash kernel's dump, brought to this machine on a disk: see
 * save_dump in init.sh. Here are the programs that read it, which the crash kernel then need not
 * have: ours alone takes more memory than all else there.
 */

import { expect } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEXEC } from "../../scripts/build.ts";
import { runCommand } from "../../scripts/command.ts";
import { DISK_MODULES, type KernelSeries } from "../../scripts/kernels.ts";
import { Reader } from "../../src/core/bytes.ts";
import { CoreFile } from "../../src/vmcore/core-file.ts";
import { readCoreHeader } from "../../src/vmcore/elf-header.ts";
import { FirstError } from "../../src/vmcore/first-error.ts";
import { readNotes } from "../../src/vmcore/notes.ts";
import type { CpioFile } from "./cpio.ts";
import { debianKernel, type MachineRun } from "./machine.ts";
import { executableInVm, moduleFiles } from "./rig.ts";

/** More than makedumpfile leaves of any of these machines. */
const DISK_SIZE = 256 << 20;
const NT_PRSTATUS = 1;
/** `pr_pid`. [linux include/linux/elfcore.h struct elf_prstatus_common, 64 bits] */
const PID_OFFSET = 32;

/** What the crash kernel's initrd has to save its dump: makedumpfile, and the disk's drivers. */
function dumpSaver(series?: KernelSeries): CpioFile[] {
  // The rest are those of the file system.
  const drivers = DISK_MODULES.slice(0, DISK_MODULES.indexOf("virtio_blk") + 1);
  const { modules } = debianKernel(series);
  const inOrder = drivers.flatMap((name, i) =>
    modules.filter((one) => one.name === name).map((one) => ({ ...one, name: `${i}-${name}` })),
  );
  return [...executableInVm("makedumpfile"), ...moduleFiles(inOrder)];
}

/** A disk for one dump, a file in a folder of its own. */
export class DumpDisk {
  readonly #folder = mkdtempSync(join(tmpdir(), "onekexec-dump-"));
  readonly #path = join(this.#folder, "disk");

  constructor() {
    closeSync(openSync(this.#path, "w"));
    truncateSync(this.#path, DISK_SIZE);
  }

  get qemuArguments(): string[] {
    return ["-drive", `file=${this.#path},format=raw,if=virtio,cache=unsafe`];
  }

  filesFor(series?: KernelSeries): CpioFile[] {
    return dumpSaver(series);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** makedumpfile took the dump, and left of it what the kernel itself used. */
  #saved({ runs, second }: MachineRun): string {
    const { status, output = "" } = runs.get("makedumpfile") ?? {};
    expect(output).toContain("The dumpfile is saved to /dev/vda.\n");
    expect(status).toBe(0);
    // In blocks of 512 bytes: the rest of the file is a hole.
    const size = statSync(this.#path).blocks * 512;
    expect(size).toBeGreaterThan(4 << 20);
    expect(size).toBeLessThan(Number(second.get("vmcore")) / 4);
    return this.#path;
  }

  /** The log of the kernel that died; kexec-tools' program and ours print the same. */
  expectSameLog(run: MachineRun): string {
    const dump = this.#saved(run);
    const our = join(this.#folder, "vmcore-dmesg");
    symlinkSync(KEXEC, our);
    const [theirs, ours] = ["/sbin/vmcore-dmesg", our].map((program) => {
      const { exitCode, stdout, stderr } = Bun.spawnSync([program, dump]);
      return { exitCode, log: stdout.toString("latin1"), errors: stderr.toString() };
    });
    expect(theirs).toMatchObject({ exitCode: 0, errors: "" });
    expect(ours).toEqual(theirs);
    return theirs?.log ?? "";
  }

  /**
   * The CPUs' notes: what ran on each as the machine died.
   * @returns process ids, in the order of the CPUs
   */
  pids(run: MachineRun): number[] {
    const dump = this.#saved(run);
    const lines = runCommand("Read the notes", ["readelf", "-nW", dump]);
    const fd = openSync(dump, "r");
    try {
      const file = new CoreFile(dump, (offset, length) => {
        const bytes = new Uint8Array(length);
        return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
      });
      const pids: number[] = [];
      const firstError = new FirstError();
      readNotes(file, readCoreHeader(file), firstError, ({ name, type, offset, size }) => {
        if (name !== "CORE\0" || type !== NT_PRSTATUS) return;
        pids.push(new Reader(file.read(offset, size), "elf_prstatus", true).u32(PID_OFFSET));
      });
      expect(firstError.error).toBeNull();
      expect(lines.match(/CORE +0x\w+\s+NT_PRSTATUS/g)).toHaveLength(pids.length);
      expect(lines).toMatch(/VMCOREINFO +0x\w+/);
      return pids;
    } finally {
      closeSync(fd);
    }
  }
}
