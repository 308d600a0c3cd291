/** Kernels and initrds that are not what they should be, and numbers that leave no room. */

import { describe } from "bun:test";
import { x86_64 } from "../../src/arch/x86-64/index.ts";
import { hex } from "../../src/core/address.ts";
import { differs, same } from "./compare.ts";
import type { RunOptions } from "./harness.ts";
import {
  COMMAND_LINE_SIZE,
  CUT,
  DIRECTORY,
  EMPTY,
  FIFO,
  GZIPPED,
  INITRD,
  KERNEL,
  KERNEL_PIECE,
  MISSING,
  NOISE,
  SECRET,
  SHORT_STUMP,
  STUMP,
  TEXT,
} from "./inputs.ts";
import { RELEASE } from "./programs.ts";

/** What the probe for UKI images says of a file that is none. */
const PROBED = {
  stdout: ["PE header offset is not a reasonable value", "ERR: can not find .linux section"],
};
const METHODS = ["-a", "-c", "-s"];
const FILES = ["-a", "-s"];
const USER = { user: "nobody" };
const before29 = (release: number): boolean => release < 29;
const before31 = (release: number): boolean => release < 31;
/** It probes for UKI images, and decompresses. */
const from31 = (release: number): boolean => !before31(release);
const fileLoad = (kernel: string, initrd: string | null): string =>
  `kexec_file_load ${kernel} ${initrd} "\\u0000" (1) flags ${initrd === null ? "0x4" : "0x0"} -> 0`;

const ABSENT = "No such file or directory";

/** A kernel that cannot be opened; releases before 2.0.29 have other words with -s and -a. */
function unopened(
  method: string,
  path: string,
  shown: string,
  reason: string,
  more: readonly string[] = [],
  options: RunOptions = {},
): void {
  const argv = [method, "-l", path, ...more];
  if (method === "-c") {
    same(argv, options);
    return;
  }
  const before = `Failed to open file ${shown}:${reason}`;
  const now = `Cannot open \`${shown}': ${reason}`;
  differs(
    "release",
    argv,
    {
      theirs: { status: 255, stderr: before.split("\n") },
      ours: { status: 1, stderr: now.split("\n") },
      release: before29,
    },
    options,
  );
}

describe("kernel", () => {
  for (const method of METHODS) {
    unopened(method, MISSING, "IN/missing", ABSENT);
    unopened(method, "", "", ABSENT);
    unopened(method, `${KERNEL}/x`, "IN/vmlinuz/x", "Not a directory");
    unopened(method, "a\xff\n b", "a\xff\n b", ABSENT);
    unopened(method, SECRET, "IN/secret", "Permission denied", [], USER);
    unopened(method, MISSING, "IN/missing", ABSENT, ["--reuse-cmdline"]);

    for (const [file, lines] of [
      [EMPTY, []],
      [DIRECTORY, ["Read on IN/directory failed: Is a directory"]],
    ] as const) {
      const last = `Cannot read IN/${file === EMPTY ? "empty" : "directory"}`;
      differs("newline", [method, "-l", file], {
        theirs: { status: 1, stderr: [...lines, `${last}(no newline)`] },
        ours: { stderr: [...lines, last] },
        release: before29,
      });
    }
    const undetermined = (name: string) => ({
      status: 255,
      stdout: [],
      stderr: [`Cannot determine the file type of IN/${name}`],
    });
    for (const [file, name] of [
      [STUMP, "stump"],
      [SHORT_STUMP, "short-stump"],
    ] as const) {
      differs("probe", [method, "-l", file], {
        theirs: { status: 255, stdout: ["ERR: can not find .linux section"] },
        ours: undetermined(name),
        release: from31,
      });
    }
    for (const [file, name] of [
      [NOISE, "noise"],
      [TEXT, "text"],
    ] as const) {
      differs("probe", [method, "-l", file], {
        // 128 and SIGSEGV.
        theirs: { status: 139, stdout: [], stderr: [] },
        ours: undetermined(name),
        release: from31,
      });
    }
    differs("cut-kernel", [method, "-l", CUT], {
      theirs: {
        status: 0,
        calls: [
          method === "-c"
            ? "kexec_load flags 0x3e0000; kernel:; initrd: -> 0"
            : fileLoad("IN/cut", null),
          "sync",
        ],
      },
      ours: { status: 255, stderr: ["Cannot load IN/cut"], calls: [] },
    });
    const refused = undetermined("vmlinuz.gz");
    differs("compressed", [method, "-l", GZIPPED], {
      theirs: before31(RELEASE) ? { ...refused, calls: [] } : { ...refused, ...PROBED, calls: [] },
      ours: { status: 0, stdout: [], stderr: [] },
      // Debian's; what is built after a release here has zlib.
      release: (release) => release < 33,
    });
  }
});

describe("initrd", () => {
  for (const method of METHODS) {
    for (const path of [MISSING, "", `${KERNEL}/x`]) {
      same([method, "-l", KERNEL, `--initrd=${path}`]);
    }
    same([method, "-l", KERNEL, `--initrd=${SECRET}`], USER);
  }
  differs("newline", ["-c", "-l", KERNEL, `--initrd=${EMPTY}`], {
    theirs: { status: 1, stderr: ["Cannot read IN/empty(no newline)"] },
    ours: { stderr: ["Cannot read IN/empty"] },
    release: before29,
  });
  const directory = "Read on IN/directory failed: Is a directory";
  differs("newline", ["-c", "-l", KERNEL, `--initrd=${DIRECTORY}`], {
    theirs: { status: 1, stderr: [directory, "Cannot read IN/directory(no newline)"] },
    ours: { stderr: [directory, "Cannot read IN/directory"] },
    release: before29,
  });
  for (const method of FILES) {
    for (const [file, stderr] of [
      [EMPTY, ["Cannot read IN/empty", "Cannot load IN/vmlinuz"]],
      [
        DIRECTORY,
        ["Could not open initrd file IN/directory:Is a directory", "Cannot load IN/vmlinuz"],
      ],
    ] as const) {
      const path = file === EMPTY ? "IN/empty" : "IN/directory";
      // What the kernel makes of it is in its sources: EINVAL, which both take for "unsupported".
      differs("bad-initrd", [method, "-l", KERNEL, `--initrd=${file}`], {
        theirs: { status: 0, stderr: [], calls: [fileLoad("IN/vmlinuz", path), "sync"] },
        ours: { status: 255, stderr, calls: [] },
      });
    }
  }
  const rejected = `${fileLoad("IN/vmlinuz", "IN/empty").slice(0, -1)}-1 EINVAL`;
  differs(
    "bad-initrd",
    ["-s", "-l", KERNEL, `--initrd=${EMPTY}`],
    {
      theirs: {
        status: 253,
        stderr: ["syscall kexec_file_load not available."],
        calls: [rejected],
      },
      ours: { status: 255, stderr: ["Cannot read IN/empty"], calls: [] },
    },
    { kexecFileLoad: "EINVAL" },
  );
});

// A newer kexec-tools opens the pipe again and again, and may wait for ever.
function pipes(): void {
  const kernel = { feed: { fifo: FIFO, from: KERNEL } };
  const initrd = { feed: { fifo: FIFO, from: INITRD } };
  const unread = { status: 1, stderr: ["Cannot read IN/fifo(no newline)"], calls: [] };
  const load = (calls: readonly string[]) => ({ status: 0, stderr: [], calls: [...calls, "sync"] });
  differs(
    "pipe",
    ["-c", "-l", FIFO],
    { theirs: unread, ours: load([`kexec_load flags 0x3e0000; ${KERNEL_PIECE}; initrd: -> 0`]) },
    kernel,
  );
  differs(
    "pipe",
    ["-s", "-l", FIFO],
    { theirs: unread, ours: load([fileLoad("/memfd:kernel", null)]) },
    kernel,
  );
  differs(
    "pipe",
    ["-s", "-l", KERNEL, `--initrd=${FIFO}`],
    {
      theirs: load([fileLoad("IN/vmlinuz", "IN/fifo")]),
      ours: load([fileLoad("IN/vmlinuz", "/memfd:initrd")]),
    },
    initrd,
  );
}
if (before31(RELEASE)) describe("pipes", pipes);

describe("command line", () => {
  const longest = "x".repeat(COMMAND_LINE_SIZE - 1);
  for (const method of METHODS) {
    same([method, "-l", KERNEL, `--append=${longest}`]);
    for (const more of [1, 53, 3000]) {
      const text = longest + "x".repeat(more);
      const argv = [method, "-l", KERNEL, `--append=${text}`];
      if (method === "-c") same(argv);
      else {
        const given = `"${text}\\u0000" (${text.length + 1})`;
        const call = `kexec_file_load IN/vmlinuz null ${given} flags 0x4 -> `;
        differs(
          "long-command-line",
          argv,
          {
            theirs:
              method === "-s"
                ? {
                    status: 253,
                    stderr: ["syscall kexec_file_load not available."],
                    calls: [`${call}-1 EINVAL`],
                  }
                : { stderr: ["Cannot load IN/vmlinuz"], calls: [`${call}-1 EINVAL`] },
            ours: { status: 255, stderr: ["Cannot load IN/vmlinuz"], calls: [] },
          },
          // As Linux answers it. [linux arch/x86/kernel/kexec-bzimage64.c]
          { kexecFileLoad: "EINVAL" },
        );
      }
    }
  }
});

describe("numbers", () => {
  const noRoom = (size: string) => ({
    status: 1,
    stderr: [`Could not find a free area of memory of ${size} bytes...`, "locate_hole failed"],
  });
  for (const option of ["--mem-min=0xffffffff00000000", "--mem-max=0"]) {
    same(["-s", "-l", KERNEL, option]);
    differs("segments", ["-c", "-l", KERNEL, option], {
      theirs: noRoom("0x9000"),
      // The purgatory is placed first.
      ours: noRoom(hex(x86_64.purgatory.size())),
    });
  }
  for (const method of METHODS) {
    same([method, "-l", KERNEL, "--serial=zz"]);
    same([method, "-l", KERNEL, "--serial=0x10000"]);
    same([method, "-l", KERNEL, "--serial=0xzz"]);
    same([method, "-l", KERNEL, "--serial="]);
    same([method, "-l", KERNEL, "--serial-baud=1"]);
    same([method, "-l", KERNEL, "--serial-baud=115201"]);
    same([method, "-l", KERNEL, "--serial-baud=100000"]);
    same([method, "-l", KERNEL, "--serial-baud=9600x"]);
    for (const text of ["0", "zz", ""]) {
      differs("serial-baud-zero", [method, "-l", KERNEL, `--serial-baud=${text}`], {
        // 128 and SIGFPE.
        theirs: { status: 136, stdout: [], stderr: [], calls: [] },
        ours: { status: 255, stdout: ["(usage)"], stderr: [`Bad serial port baud rate '${text}'`] },
      });
    }
  }
});
