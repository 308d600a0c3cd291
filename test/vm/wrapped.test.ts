/** Debian's kernel in gzip, zstd and xz, loaded by both methods; the last one is started. */

import { beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as zlib from "node:zlib";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { bootMachine, CONSOLE, debianKernel } from "./machine.ts";
import { executableInVm, IN_VM } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const SECOND = `${CONSOLE} second`;
const METHODS = ["-c", "-s"];
const SUFFIXES = ["gz", "zst", "xz"];

beforeAll(() => {
  buildKexec();
});

function load(method: string, suffix: string): string {
  const files = `/k.${suffix} --initrd=${IN_VM.initrd}`;
  return `run load${method}-${suffix} $KEXEC ${method} -l ${files} --append="${SECOND}"`;
}

async function boot(last: string): Promise<void> {
  const { vmlinuz: image } = debianKernel();
  const bytes = readFileSync(image);
  const maxBuffer = 2 * bytes.length;
  const extraFiles = [
    // For its library.
    ...executableInVm("xz"),
    { path: "/k.gz", data: new Uint8Array(zlib.gzipSync(bytes)) },
    { path: "/k.zst", data: new Uint8Array(zlib.zstdCompressSync(bytes)) },
    {
      path: "/k.xz",
      data: execFileSync("xz", ["--x86", "--lzma2=preset=0", "-c", image], { maxBuffer }),
    },
  ];
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
