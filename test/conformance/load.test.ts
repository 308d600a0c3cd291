/** Loading, as kexec-tools and onekexec do it: what reaches the kernel, and what they say. */

import { describe, expect, test } from "bun:test";
import { COPIES_SINCE, COPY, differs, runBoth, same, TIMEOUT_MS } from "./compare.ts";
import { difference } from "./differences.ts";
import { runKexec } from "./harness.ts";
import {
  BEOBOOT,
  INITRD,
  KERNEL,
  KERNEL_PIECE,
  KERNEL_SIZE,
  NBI_16,
  NBI_32,
  STUMP,
  UNALIGNED,
  WITH_PAYLOAD,
  ZIMAGE,
} from "./inputs.ts";
import { KEXEC_TOOLS, ONEKEXEC, RELEASE } from "./programs.ts";

const METHODS = ["-a", "-c", "-s"];
const FILES = ["-a", "-s"];
const loadWith = (flags: string, result = "0"): string =>
  `kexec_load flags ${flags}; ${KERNEL_PIECE}; initrd: -> ${result}`;
const LOAD = loadWith("0x3e0000");
const fileLoad = (commandLine: string, flags = "0x4"): string => {
  const text = JSON.stringify(`${commandLine}\0`);
  return `kexec_file_load IN/vmlinuz null ${text} (${commandLine.length + 1}) flags ${flags} -> 0`;
};

describe("kernel, initrd and command line", () => {
  for (const method of METHODS) {
    same([method, "-l", KERNEL]);
    same([`${method}l`, KERNEL]);
    same([method, "--load", KERNEL, "--append=x y"]);
    same([method, "-l", "--append", "x y", KERNEL]);
    same([method, "-l", KERNEL, `--initrd=${INITRD}`]);
    same([method, "-l", KERNEL, "--ramdisk", INITRD, "--append", "a", "--command-line=b"]);
    same([method, "-l", KERNEL, "--command-line=b", "--append", "a"]);
    same([method, "-l", KERNEL, "--command-l", "b", "--init", INITRD]);
    same([method, "-l", KERNEL, "--append=", `--initrd=${INITRD}`]);
    same([method, "-l", KERNEL, `--initrd=${STUMP}`, `--initrd=${INITRD}`]);
    same([method, "-l", KERNEL, '--append=a\tb  "c d"\xc3\xa9\xff\\']);
    same([method, "-l", KERNEL, "--append", "-- x"]);
    same([method, "-l", "--append=x", "--", KERNEL]);
    same([method, "-l", "--", KERNEL]);
    same([method, "-l", KERNEL, "extra", "more"]);
    same([method, "-l", KERNEL, "-i", "-x"]);
    same([method, "-l", KERNEL, "-y"]);
    same([method, "-l", KERNEL, "--reset-vga", "--console-vga", "--console-serial"]);
    same([method, "-l", KERNEL, "--serial=ttyS1", "--serial-baud=9600"]);
    same([method, "-l", KERNEL, "--serial=0x3e8", "--serial-baud=0x1c200"]);
    same([method, "-l", KERNEL, "--elf32-core-headers", "--elf64-core-headers"]);
    same([method, "-l", KERNEL, "--type=bzImage64"]);
    same([method, "-l", KERNEL, "--noefi", "--append=x"]);
    same([method, "-l", KERNEL, "--reuse-video-type", "--append=x"]);
    same([method, "-l", KERNEL, "--mem-min=0x1000", "--mem-max=0x7fffffff"]);
    same([method, "-l", KERNEL, "--mem-min=", "--mem-max=-1"]);
    same([method, "-l", KERNEL], { user: "nobody" });
  }
  same(["-c", "-l", KERNEL, `--initrd=${INITRD}`, "--mem-min=4096", "--mem-max=0xbfffffff"]);

  for (const option of ["--noefi", "--reuse-video-type"]) {
    for (const method of FILES) {
      differs("forget-option", [method, "-l", KERNEL, "--append=x", option], {
        theirs: { calls: [fileLoad(""), "sync"] },
        ours: { calls: [fileLoad("x"), "sync"] },
      });
    }
  }
});

describe("--entry", () => {
  same(["-c", "-l", KERNEL, "--entry=0"]);
  same(["-c", "-l", KERNEL, "--entry=zz"]);
  differs("entry", ["-c", "-l", KERNEL, "--entry=0x10"], {
    theirs: {
      status: 0,
      calls: [LOAD.replace(" -> ", "; entry 0x10 is in 0 segments -> "), "sync"],
    },
    ours: { status: 255, stderr: ["the entry point 0x10 is in no segment"], calls: [] },
  });
  differs("entry", ["-s", "-l", KERNEL, "--entry=0x10"], {
    theirs: { status: 0, calls: [fileLoad(""), "sync"] },
    ours: { status: 253, stderr: ["syscall kexec_file_load not available."], calls: [] },
  });
});

describe("--reuse-cmdline", () => {
  for (const text of [
    "root=/dev/sda1 ro quiet\n",
    "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1  ro crashkernel=256M quiet\n",
    "a BOOT_IMAGE=1\n",
    "  a   BOOT_IMAGE=1   b \n",
    "BOOT_IMAGE=1\n",
    'a "b c" d\n',
    "\n",
    `${"a".repeat(1990)} BOOT_IMAGE=z\n`,
  ]) {
    const machine = { cmdline: text };
    same(["-s", "-l", KERNEL, "--reuse-cmdline"], { machine });
    same(["-s", "-l", KERNEL, "--reuse-cmdline", "--append=z"], { machine });
    same(["-s", "-l", KERNEL, "--append=", "--reuse-cmdline"], { machine });
  }
  same(["-a", "-l", KERNEL, "--reuse-cmdline"]);
  same(["-c", "-l", KERNEL, "--reuse-cmdline"]);

  differs(
    "release",
    ["-s", "-l", KERNEL, "--reuse-cmdline"],
    {
      theirs: { calls: [fileLoad("BOOT_IMAGES=2 b"), "sync"] },
      ours: { calls: [fileLoad("b"), "sync"] },
      release: (release) => release < 32,
    },
    { machine: { cmdline: "BOOT_IMAGE=1 BOOT_IMAGES=2 b\n" } },
  );

  for (const [text, theirs, ours] of [
    ['a BOOT_IMAGE="u v" b\n', 'a v" b', "a b"],
    ["a\tBOOT_IMAGE=1\tb\n", "a\t", "a\tb"],
    ["xBOOT_IMAGE=1 BOOT_IMAGE=2 b\n", "xBOOT_IMAGE=1 BOOT_IMAGE=2 b", "xBOOT_IMAGE=1 b"],
  ] as const) {
    differs(
      "reuse-words",
      ["-s", "-l", KERNEL, "--reuse-cmdline"],
      {
        theirs: { calls: [fileLoad(theirs), "sync"] },
        ours: { calls: [fileLoad(ours), "sync"] },
      },
      { machine: { cmdline: text } },
    );
  }
});

describe("options that need a newer kexec-tools or are not there yet", () => {
  for (const method of METHODS) {
    for (const option of ["--no-cma", "--force-dtb"] as const) {
      const flags = option === "--no-cma" ? "0x14" : "0x24";
      differs("release", [method, "-l", KERNEL, option], {
        theirs: {
          status: 1,
          stdout: ["(usage)"],
          stderr: [`kexec: unrecognized option '${option}'`],
          calls: [],
        },
        ours: {
          status: 0,
          stdout: [],
          calls: [method === "-c" ? LOAD : fileLoad("", flags), "sync"],
        },
        release: (release) => release < 33,
      });
    }
  }
  for (const name of ["module", "args-elf", "args-none"]) {
    const word = name === "module" ? `--module=${KERNEL}` : `--${name}`;
    for (const [method, call] of [
      ["-c", LOAD],
      ["-s", fileLoad("")],
    ] as const) {
      differs("unused-option", [method, "-l", KERNEL, word], {
        theirs: {
          status: 0,
          stderr: [`kexec: unrecognized option '${word.replace(KERNEL, "IN/vmlinuz")}'`],
          calls: [call, "sync"],
        },
        ours: { status: 255, stdout: [], stderr: ["Cannot load IN/vmlinuz"], calls: [] },
      });
    }
  }
  for (const name of ["real-mode", "entry-32bit"]) {
    differs("entry-by-file", ["-s", "-l", KERNEL, `--${name}`], {
      theirs: {
        status: 255,
        stderr: [
          "Kexec2 syscall does not support 16bit or 32bit entry yet",
          "Cannot load IN/vmlinuz",
        ],
      },
      ours: {
        status: 253,
        stdout: [],
        stderr: ["syscall kexec_file_load not available."],
        calls: [],
      },
    });
  }
  differs("real-mode", ["-c", "-l", KERNEL, "--real-mode"], {
    theirs: { status: 0, stdout: ["Starting the kernel in real mode"] },
    ours: { status: 0, stdout: [], calls: [LOAD, "sync"] },
  });
  // The probe for UKI images, of 2.0.31 and later, has its say.
  const probed = ["Not a PE file", "ERR: optional header is missing"];
  differs("zimage", ["-c", "-l", ZIMAGE], {
    theirs: {
      status: 255,
      stdout: RELEASE < 31 ? [] : probed,
      stderr: ["Cannot determine the file type of IN/zimage"],
      calls: [],
    },
    ours: { status: 0, stdout: [], stderr: [] },
  });
  same(["-s", "-l", KERNEL, "--pass-memmap-cmdline"]);
});

test(`${difference("kernel-copy").id}: kexec -s -l vmlinuz`, async () => {
  const kernelOf = async (binary: string) => {
    const { calls } = await runKexec(binary, ["-s", "-l", KERNEL]);
    return calls.map((call) => (call.name === "kexec_file_load" ? call.kernel : call.name));
  };
  const theirs = RELEASE >= COPIES_SINCE ? COPY : KERNEL;
  expect(await kernelOf(KEXEC_TOOLS)).toEqual([theirs, "sync"]);
  expect(await kernelOf(ONEKEXEC)).toEqual([KERNEL, "sync"]);
});

describe("image types", () => {
  for (const [image, symbol] of [
    [NBI_32, "entry32_regs32"],
    [NBI_16, "entry16_regs"],
  ] as const) {
    differs("nbi", ["-c", "-l", image], {
      theirs: { status: 1, stderr: [`Symbol: ${symbol} not found cannot get`], calls: [] },
      ours: { status: 0, stderr: [] },
    });
  }
  for (const method of FILES) {
    differs("beoboot", [method, "-l", BEOBOOT], {
      theirs: {
        status: 1,
        stderr: ["Could not find a free area of memory of 0x9000 bytes...", "locate_hole failed"],
        calls: [],
      },
      ours: {
        status: 0,
        stderr: [],
        calls: [fileLoad("x y").replace("IN/vmlinuz", "/memfd:kernel"), "sync"],
      },
    });
  }
  differs("elf-alignment", ["-c", "-l", UNALIGNED], {
    theirs: { status: 1, stderr: ["Base address: 0x401010 is not page aligned"], calls: [] },
    ours: { status: 0, stderr: [] },
  });
});

describe("type", () => {
  same(["-c", "-l", KERNEL, "--type=nonsense"]);
  same(["-c", "-l", KERNEL, "-t", ""]);
  same(["-c", "-l", KERNEL, "--type=elf-x86_64"]);
  for (const method of FILES) same([method, "-l", KERNEL, "--type=bzImage"]);
  for (const [type, words] of [
    ["nonsense", "Unsupported kernel type nonsense"],
    ["elf-x86_64", "Wrong file type elf-x86_64, file matches type bzImage64"],
    ["nbi-x86", "Wrong file type nbi-x86, file matches type bzImage64"],
  ] as const) {
    for (const method of FILES) {
      differs("type-by-kernel", [method, "-l", KERNEL, `--type=${type}`], {
        theirs: { status: 0, calls: [fileLoad(""), "sync"] },
        ours: { status: 255, stderr: [words], calls: [] },
      });
    }
  }
});

describe("unload and load", () => {
  same(["-c", "-u", "-l", KERNEL]);
  for (const method of FILES) {
    const unloaded = "kexec_file_load null null null (0) flags 0x1 -> 0";
    differs("unload-and-load", [method, "-u", "-l", KERNEL, "--append=x"], {
      theirs: { calls: [unloaded, fileLoad("x", "0x5")] },
      ours: { calls: [unloaded, fileLoad("x")] },
    });
  }
});

describe("-d", () => {
  test(`${difference("debug-text").id}: kexec -c -l -d`, async () => {
    const { theirs, ours } = await runBoth(["-c", "-l", KERNEL, "-d"]);
    expect([theirs.status, theirs.stdout, ours.status, ours.stdout]).toEqual([0, [], 0, []]);
    expect(theirs.stderr).toContain("MEMORY RANGES");
    expect(theirs.stderr.join("\n")).toMatch(/^[0-9a-f]{16}-[0-9a-f]{16} \(0\)$/m);
    expect(ours.stderr.join("\n")).toMatch(/^purgatory +0x[0-9a-f]+ /m);
    expect(ours.calls).toEqual([loadWith("0x3e0010"), "sync"]);
  });

  test(`${difference("debug-flag").id}: kexec -c -l -d, refused`, async () => {
    const refused = { kexecLoad: "EINVAL" } as const;
    const { theirs, ours } = await runBoth(["-c", "-l", KERNEL, "-d"], refused);
    const flags = RELEASE >= 33 ? "0x3e0010" : "0x3e0000";
    expect(theirs.calls).toEqual([loadWith(flags, "-1 EINVAL")]);
    expect(ours.calls).toEqual([
      loadWith("0x3e0010", "-1 EINVAL"),
      loadWith("0x3e0000", "-1 EINVAL"),
    ]);
    expect([theirs.status, ours.status]).toEqual([255, 255]);
  });
});

test(`${difference("segments").id}: how many, and how low`, async () => {
  const segmentsOf = async (binary: string) => {
    const { calls } = await runKexec(binary, ["-c", "-l", KERNEL, `--initrd=${INITRD}`]);
    return calls.flatMap((call) => (call.name === "kexec_load" ? call.segments : []));
  };
  const theirs = await segmentsOf(KEXEC_TOOLS);
  const ours = await segmentsOf(ONEKEXEC);
  expect(theirs.length).toBeGreaterThan(ours.length);
  expect(theirs[0]?.mem).toBe(0x100000n);
  expect(ours.length).toBe(4);
  expect(ours[0]?.mem).toBeGreaterThan(0x100000n);
});

/** Its memory is not encrypted, and it has 4-level page tables only. */
const CPUINFO =
  "processor\t: 0\nflags\t\t: fpu lm\naddress sizes\t: 46 bits physical, 48 bits virtual\n";

test(
  `${difference("unpacked").id}: the bytes of kernels, and --no-unpack`,
  async () => {
    const machine = { files: { "/proc/cpuinfo": CPUINFO } };
    const loadedBy = async (binary: string, ...more: readonly string[]): Promise<number[]> => {
      const argv = ["-c", "-l", WITH_PAYLOAD, ...more];
      const { status, stderr, calls } = await runKexec(binary, argv, { machine });
      expect([status, stderr]).toEqual([0, ""]);
      return calls.flatMap((call) =>
        call.name === "kexec_load" ? call.segments.map(({ bufsz }) => Number(bufsz)) : [],
      );
    };
    expect(await loadedBy(KEXEC_TOOLS)).toContain(KERNEL_SIZE);
    expect(await loadedBy(ONEKEXEC, "--no-unpack")).toContain(KERNEL_SIZE);
    const unpacked = await loadedBy(ONEKEXEC);
    expect(unpacked).not.toContain(KERNEL_SIZE);
    // The kernel's text alone is more than all of it was.
    expect(Math.max(...unpacked)).toBeGreaterThan(2 * KERNEL_SIZE);
  },
  TIMEOUT_MS,
);

test(`${difference("own-options").id}: --dry-run=json`, async () => {
  const { theirs, ours } = await runBoth(["-l", "--dry-run=json", KERNEL]);
  expect(theirs).toEqual({
    status: 1,
    stdout: ["(usage)"],
    stderr: ["kexec: unrecognized option '--dry-run=json'"],
    calls: [],
  });
  expect([ours.status, ours.stderr, ours.calls]).toEqual([0, [], []]);
  expect(JSON.parse(ours.stdout.join("\n"))).toMatchObject({ format: 1 });
});
