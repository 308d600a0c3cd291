/** Debian's kernel in several compressions, loaded by both methods; the last one is started. xz is
 * expanded by liblzma in one machine, and by our own code in the other. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";
import { bootMachine, CONSOLE, debianKernel } from "./machine.ts";
import { executableInVm, IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;
const METHODS = ["-c", "-s"];
const PACKERS = {
  gz: ["gzip", "-c", "-1"],
  zst: ["zstd", "-q", "-c", "-1"],
  bz2: ["bzip2", "-c", "-1"],
  lz4: ["lz4", "-q", "-c"],
  xz: ["xz", "--x86", "--lzma2=preset=0", "-c"],
};
const SUFFIXES = Object.keys(PACKERS);

beforeAll(() => {
  buildKexec();
});

function load(method: string, suffix: string): string {
  const files = `/k.${suffix} --initrd=${IN_VM.initrd}`;
  return `run load${method}-${suffix} $KEXEC ${method} -l ${files} --append="${SECOND}"`;
}

async function boot(last: string): Promise<void> {
  const bytes = readFileSync(debianKernel().vmlinuz);
  const packed = Object.entries(PACKERS).map(([suffix, command]) => ({
    path: `/k.${suffix}`,
    data: packedBy(command, bytes),
  }));
  // For its library.
  const library = last === "-c" ? executableInVm("xz") : [];
  const extraFiles = [...library, ...packed];
  const loads = METHODS.toSorted((a, b) => Number(a === last) - Number(b === last)).flatMap(
    (method) => SUFFIXES.map((suffix) => load(method, suffix)),
  );
  const caseScript = `KEXEC=${IN_VM.onekexec}\n${loads.join("\n")}\nrun exec $KEXEC -e\n`;
  const name = `wrapped${last}`;
  const run = await bootMachine({ kexec: KEXEC, name, caseScript, extraFiles });
  withLog(run, () => {
    for (const method of METHODS) {
      for (const suffix of SUFFIXES) {
        const found = run.runs.get(`load${method}-${suffix}`);
        expect({ suffix, method, ...found }).toMatchObject({ status: 0, output: "" });
      }
    }
    expectSecondKernel(run, SECOND);
  });
}

describe("compressed kernels on Linux, x86_64", () => {
  for (const last of METHODS) test(`${last} last, and started`, () => boot(last), VM_TIMEOUT);
});
