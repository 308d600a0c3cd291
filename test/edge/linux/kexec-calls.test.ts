/** The calls as the kernel would get them: strace prints them and injects their results. */

import { afterAll, describe, expect, test } from "bun:test";
import { removeScratch, runScript } from "../run-script.ts";

afterAll(removeScratch);

/** strace injects the result of both calls, so that neither reaches the kernel. */
function answered(answer: string): string[] {
  const calls = ["kexec_load", "kexec_file_load"];
  const injections = calls.flatMap((call) => ["-e", `inject=${call}:${answer}`]);
  return ["strace", "-f", "-qq", "-xx", "-s", "64", "-e", `trace=${calls}`, ...injections];
}

/** strace's output, one line for each call, without process numbers. */
function callsIn(stderr: string): string[] {
  return [...stderr.matchAll(/(kexec_\w+\(.*\)) = /g)].map((match) => match[1] ?? "");
}

const IMPORT = `import { kexecCalls as k } from "@src/edge/linux/kexec-calls.ts";`;

describe("under strace", () => {
  test("kexec_load gets its entry, its flags, and each segment's four numbers", () => {
    const ran = runScript(
      `${IMPORT}
       const bytes = new Uint8Array(5000).fill(7);
       const none = new Uint8Array(0);
       const buf = k.addressOf(bytes);
       const status = k.kexecLoad(
         0xffffffff81000000n,
         [
           { buf, bufsz: 5000n, mem: 0x1_0000_0000n, memsz: 8192n },
           { buf: k.addressOf(none), bufsz: 0n, mem: 0x100000n, memsz: 4096n },
         ],
         [bytes, none],
         0x3e0001,
       );
       console.log(status, "0x" + buf.toString(16));`,
      { under: answered("retval=0") },
    );
    const [status, buf] = ran.stdout.trim().split(" ");
    expect(status).toBe("0");
    expect(callsIn(ran.stderr)).toEqual([
      "kexec_load(0xffffffff81000000, 2, [" +
        `{buf=${buf}, bufsz=5000, mem=0x100000000, memsz=8192}, ` +
        "{buf=NULL, bufsz=0, mem=0x100000, memsz=4096}], KEXEC_ARCH_X86_64|KEXEC_ON_CRASH)",
    ]);
  });

  test("kexec_file_load gets descriptors, the command line with its NUL, and flags", () => {
    const ran = runScript(
      `${IMPORT}
       k.kexecFileLoad(5, -1, new Uint8Array([0x62, 0xe4, 0]), 4);
       k.kexecFileLoad(-1, -1, null, 3);`,
      { under: answered("retval=0") },
    );
    expect(callsIn(ran.stderr)).toEqual([
      String.raw`kexec_file_load(5, -1, 3, "\x62\xe4\x00", KEXEC_FILE_NO_INITRAMFS)`,
      "kexec_file_load(-1, -1, 0, NULL, KEXEC_FILE_UNLOAD|KEXEC_FILE_ON_CRASH)",
    ]);
  });

  test("an unload is a load without segments", () => {
    const ran = runScript(`${IMPORT} k.kexecLoad(0n, [], [], 0x3e0000);`, {
      under: answered("retval=0"),
    });
    expect(callsIn(ran.stderr)).toEqual(["kexec_load(NULL, 0, NULL, KEXEC_ARCH_X86_64)"]);
  });

  test.each([
    ["EPERM", -1],
    ["EADDRNOTAVAIL", -99],
    ["EKEYREJECTED", -129],
    ["524", -524],
  ])("a call that fails with %s returns %i", (error, status) => {
    const ran = runScript(
      `${IMPORT}
       const load = k.kexecLoad(0n, [], [], 0);
       const file = k.kexecFileLoad(-1, -1, null, 1);
       console.log(load, file);`,
      { under: answered(`error=${error}`) },
    );
    expect(ran.stdout).toBe(`${status} ${status}\n`);
  });
});

test("a number that does not fit a register throws, and no call is made", () => {
  const ran = runScript(
    `${IMPORT}
     const tooBig = { buf: 0n, bufsz: 0n, mem: 1n << 64n, memsz: 0n };
     for (const call of [
       () => k.kexecLoad(-1n, [], [], 0),
       () => k.kexecLoad(0n, [tooBig], [], 0),
       () => k.kexecFileLoad(2 ** 31, -1, null, 0),
       () => k.kexecFileLoad(0.5, -1, null, 0),
     ]) {
       try {
         console.log(call());
       } catch (error) {
         console.log(error.name);
       }
     }`,
  );
  expect(ran.stdout).toBe("RangeError\n".repeat(4));
});
