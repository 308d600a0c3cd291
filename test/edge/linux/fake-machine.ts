/** Makes directories that stand for the `/` of a machine, with files that the test chooses. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type FactsSources, readFacts } from "../../../src/edge/linux/read-facts.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";

const made: string[] = [];

/** Call it in afterAll() of each test file: an afterAll() here would belong to the first file. */
export function removeFakeRoots(): void {
  for (const root of made.splice(0)) rmSync(root, { recursive: true, force: true });
}

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A directory that stands for `/`, with these files in it. */
export function fakeRoot(...parts: Files[]): string {
  const root = mkdtempSync(join(tmpdir(), "onekexec-facts-"));
  made.push(root);
  for (const [path, content] of parts.flatMap((files) => Object.entries(files))) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

export const quiet: FactsSources = { ioctl: null, getrandom: null };
export const read = (...parts: Files[]): HostFacts =>
  readFacts({ ...quiet, root: fakeRoot(...parts) });

export function auxvOf(pageSize: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.from([6n, pageSize, 0n, 0n]).buffer);
}
export const IOMEM = `00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-3ffdffff : System RAM
  2f000000-36ffffff : Crash kernel
`;

/** The files that every machine has. */
export const LINUX: Files = {
  "proc/sys/kernel/arch": "x86_64\n",
  "proc/sys/kernel/osrelease": "6.1.0-test\n",
  "proc/sys/kernel/version": "#1 SMP Test\n",
  "proc/self/auxv": auxvOf(4096n),
  "proc/self/status": "Name:\tbun\nCapEff:\t000001ffffffffff\n",
  "proc/cmdline": "console=ttyS0 name=b\xe4r \n",
  "proc/iomem": IOMEM,
  "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu pku\n",
  "proc/meminfo": "MemTotal:        1048000 kB\nMemFree:          900000 kB\n",
  "proc/mounts": "sysfs /sys sysfs rw 0 0\n",
  "proc/sys/kernel/kexec_load_disabled": "0\n",
  "sys/devices/platform/uevent": "",
  "sys/kernel/kexec_loaded": "1\n",
  "sys/kernel/kexec_crash_loaded": "0\n",
  "sys/kernel/kexec_crash_size": "134217728\n",
  "sys/kernel/crash_elfcorehdr_size": "16384\n",
  "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
};

export function memmap(...entries: [start: string, end: string, type: string][]): Files {
  const files: Record<string, string> = {};
  for (const [i, [start, end, type]] of entries.entries()) {
    files[`sys/firmware/memmap/${i}/start`] = `${start}\n`;
    files[`sys/firmware/memmap/${i}/end`] = `${end}\n`;
    files[`sys/firmware/memmap/${i}/type`] = `${type}\n`;
  }
  return files;
}
export const MEMMAP = memmap(
  ["0x100000", "0x3ffdffff", "System RAM"],
  ["0x0", "0x9fbff", "System RAM"],
  ["0x9fc00", "0x9ffff", "Reserved"],
);

export const bootParams = new Uint8Array(4096);
new DataView(bootParams.buffer).setBigUint64(0x70, 0xf59d0n, true);
export const BOOT_PARAMS: Files = { "sys/kernel/boot_params/data": bootParams };
