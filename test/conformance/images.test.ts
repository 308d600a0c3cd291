/** Images that are no compressed Linux kernel, as kexec-tools and onekexec load them. */

import { describe, expect, test } from "bun:test";
import { differs, same, TIMEOUT_MS } from "./compare.ts";
import { difference } from "./differences.ts";
import { runKexec } from "./harness.ts";
import { FIXED, INITRD, MULTIBOOT, PROGRAM, VMLINUX } from "./inputs.ts";
import { KEXEC_TOOLS, ONEKEXEC } from "./programs.ts";

const LOADED = (rest = "") => [`kexec_load flags 0x3e0000; kernel:; initrd:${rest} -> 0`, "sync"];

describe("by kexec_load", () => {
  same(["-c", "-l", FIXED, "--append=a b"]);
  same(["-c", "-l", "--type=bzImage64", FIXED]);
  same(["-c", "-l", PROGRAM]);
  same(["-c", "-l", PROGRAM, "--args-elf", "--append=a b"]);
  same(["-c", "-l", "--type=elf-x86_64", PROGRAM]);
  same(["-c", "-l", VMLINUX, "--args-linux", "--append=a b"]);
  same(["-c", "-l", VMLINUX, "--args-linux", `--initrd=${INITRD}`]);
  same(["-c", "-l", MULTIBOOT]);
  same(["-c", "-l", MULTIBOOT, "--command-line=a b", `--module=${INITRD} x`]);
  same(["-c", "-l", "--type=multiboot-x86", MULTIBOOT]);
});

describe("by default", () => {
  for (const image of [PROGRAM, MULTIBOOT]) {
    differs("auto-image", ["-a", "-l", image], {
      theirs: { status: 1, calls: [] },
      ours: { status: 0, stdout: [], stderr: [], calls: LOADED() },
    });
    differs("auto-image", ["-s", "-l", image], {
      theirs: { status: 1, calls: [] },
      ours: {
        status: 253,
        stdout: [],
        stderr: ["syscall kexec_file_load not available."],
        calls: [],
      },
    });
  }
});

differs("linux-arguments", ["-c", "-l", VMLINUX, `--initrd=${INITRD}`], {
  theirs: {
    status: 1,
    stderr: ["Ramdisks not supported with generic elf arguments(no newline)"],
    calls: [],
  },
  ours: { status: 0, stdout: [], stderr: [] },
});

test(
  `${difference("args-none").id}: the program is checked before it starts`,
  async () => {
    const [theirs, ours] = await Promise.all(
      [KEXEC_TOOLS, ONEKEXEC].map(async (binary) => {
        const { calls } = await runKexec(binary, ["-c", "-l", "--args-none", PROGRAM]);
        const load = calls.find((call) => call.name === "kexec_load");
        return { entry: load?.entry, segments: load?.segments.map(({ mem }) => mem) };
      }),
    );
    expect(theirs).toEqual({ entry: 0x400000n, segments: [0x400000n] });
    expect(ours?.segments).toHaveLength(2);
    expect(ours?.entry).toBe(ours?.segments?.[1] ?? 0n);
  },
  TIMEOUT_MS,
);
