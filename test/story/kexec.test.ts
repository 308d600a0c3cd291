/** The order of actions, their failures, and exit statuses, with a world that only writes things
 * down. */

import { describe, expect, test } from "bun:test";
import { KexecError } from "../../src/core/error.ts";
import { DoctorJson, DryRunJson } from "../../src/plan/json-schema.ts";
import { multibootElf, multibootHeader } from "../images/make-multiboot.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";
import { LOADED, NO_COPY, runWith, type Settings, UNSUPPORTED } from "./run-with.ts";

describe("the order of actions", () => {
  test.each<[string, Settings, string[], number]>([
    [
      "-c -l K --initrd=I",
      {},
      ["open kernel", "read kernel", "open initrd", "read initrd", "load segments", "sync"],
      0,
    ],
    [
      "-c -l -i K --initrd=I",
      {},
      ["open kernel", "read kernel", "open initrd", "read initrd", "load segments", "sync"],
      0,
    ],
    ["-c -l -y K", {}, ["open kernel", "read kernel", "load segments"], 0],
    [
      "-s -l K --initrd=I",
      {},
      ["open kernel", "read kernel", "open initrd", "load file", "sync"],
      0,
    ],
    ["-l K", {}, ["open kernel", "read kernel", "load file", "sync"], 0],
    [
      "-l K",
      { outcomes: [UNSUPPORTED, LOADED] },
      ["open kernel", "read kernel", "load file", "load segments", "sync"],
      0,
    ],
    [
      "-l K",
      { compressed: true, outcomes: [UNSUPPORTED, LOADED] },
      [
        "open kernel",
        "read kernel",
        "expand",
        "memory file kernel",
        "load file",
        "load segments",
        "sync",
      ],
      0,
    ],
    [
      "-l K --initrd=I",
      { outcomes: [UNSUPPORTED, LOADED] },
      [
        ...["open kernel", "read kernel", "open initrd", "load file"],
        ...["read initrd", "load segments", "sync"],
      ],
      0,
    ],
    [
      "-l K --initrd=I",
      { noCopy: NO_COPY },
      [
        ...["open kernel", "read kernel", "open initrd"],
        ...["read initrd", "load segments", "sync"],
      ],
      0,
    ],
    [
      "-l K",
      { compressed: true, noCopy: NO_COPY },
      ["open kernel", "read kernel", "expand", "memory file kernel", "load segments", "sync"],
      0,
    ],
    ["-s -l K", { noCopy: NO_COPY }, ["open kernel", "read kernel"], 255],
    ["-e", { loaded: true }, ["sync", "ifdown", "exec"], 255],
    ["-e", { loaded: null }, ["sync", "ifdown", "exec"], 255],
    ["-e -x -y", { loaded: true }, ["exec"], 255],
    ["-e", { loaded: false }, [], 1],
    ["-u -e", { loaded: null }, ["unload normal auto"], 1],
    ["--exec-live-update", { liveUpdateLoaded: true }, ["sync", "ifdown", "exec"], 255],
    ["--exec-live-update", { liveUpdateLoaded: false, loaded: true }, [], 1],
    ["--exec-live-update", { loaded: true }, [], 1],
    ["--load-live-update K", { loaded: true }, [], 1],
    [
      "-c --load-live-update K",
      { liveUpdateLoaded: false },
      ["open kernel", "read kernel", "load segments", "sync"],
      0,
    ],
    ["-f --print-ckr-size K", { loaded: true }, [], 0],
    [
      "-c -f K",
      { loaded: true },
      ["open kernel", "read kernel", "load segments", "sync", "ifdown", "exec"],
      255,
    ],
    ["-c K", { loaded: true }, ["open kernel", "read kernel", "load segments", "shutdown"], 255],
    ["-c K", { loaded: false }, ["open kernel", "read kernel", "load segments"], 1],
    ["-u", {}, ["unload normal auto"], 0],
    ["-s -u", {}, ["unload normal file"], 0],
    ["-p -u", {}, ["unload crash auto"], 0],
    ["--load-jump-back-helper --entry=0x10", {}, ["sync", "jump back 16"], 0],
    ["--load-jump-back-helper -y", {}, ["jump back 0"], 0],
    ["-p K", {}, [], 1],
    ["-u -p K", {}, [], 1],
    ["-p", {}, [], 1],
    ["-p", { crashRegion: true }, [], 255],
    ["-u -p", { crashRegion: true }, ["unload crash auto"], 255],
    ["-c -p K", { crashRegion: true }, ["open kernel", "read kernel", "load segments"], 0],
    [
      "-s -p K --initrd=I",
      { crashRegion: true },
      ["open kernel", "read kernel", "open initrd", "load file"],
      0,
    ],
    [
      "-p K",
      { crashRegion: true, outcomes: [UNSUPPORTED, LOADED] },
      ["open kernel", "read kernel", "load file", "load segments"],
      0,
    ],
    ["-c -p --hotplug K", { crashRegion: true }, [], 1],
    ["-l --hotplug K", {}, [], 1],
    ["-u --hotplug", {}, [], 1],
    [
      "-c -u -l K",
      {},
      ["unload normal segments", "open kernel", "read kernel", "load segments"],
      0,
    ],
    ["--save-facts=F", {}, ["write F"], 0],
    [
      "-c -l --save-facts=F K",
      {},
      ["write F", "open kernel", "read kernel", "load segments", "sync"],
      0,
    ],
    ["-c -l --dry-run K", {}, ["open kernel", "read kernel"], 0],
    ["-l --dry-run K", {}, ["open kernel", "read kernel"], 0],
    ["-c -l --dry-run --facts=F K", {}, ["read F", "open kernel", "read kernel"], 0],
    ["-c -p --dry-run --facts=F K", {}, ["read F"], 1],
    ["-c -p --dry-run K", { crashRegion: true }, ["open kernel", "read kernel"], 0],
    ["-p --dry-run", { crashRegion: true }, [], 255],
  ])("kexec %s, %p", async (line, settings, actions, status) => {
    const result = await runWith(line, settings);
    expect(result.actions).toEqual(actions);
    expect(result.status).toBe(status);
  });

  test.each(["-l K", "-l --dry-run K"])(
    "%s names what keeps it from kexec_file_load",
    async (line) => {
      const { stderr, status } = await runWith(line, { noCopy: NO_COPY });
      expect(stderr).toBe(`kexec_file_load is not tried: ${NO_COPY.notByFile}\n`);
      expect(status).toBe(0);
    },
  );

  test.each(["-s -l K", "-s -l --dry-run K"])("%s ends with it", async (line) => {
    const { stderr, status } = await runWith(line, { noCopy: NO_COPY });
    expect(stderr).toBe(`${NO_COPY.notByFile}\nTry -c.\n`);
    expect(status).toBe(255);
  });

  test("after a refusal nothing more is done", async () => {
    const refused = new KexecError({
      code: "kernel.kexec_file_load",
      message: "kexec_file_load failed: Operation not permitted",
      hint: "The kernel is locked down.",
      exitStatus: 255,
    });
    const result = await runWith("-f K", { outcomes: [refused] });
    expect(result.actions).toEqual(["open kernel", "read kernel", "load file"]);
    expect(result.status).toBe(255);
    expect(result.stderr).toBe(
      "kexec_file_load failed: Operation not permitted\nThe kernel is locked down.\n",
    );
  });

  test("after a failed unload nothing is loaded", async () => {
    const unloadFails = new KexecError({
      code: "kernel.unload",
      message: "kexec unload failed: Device or resource busy",
      exitStatus: 255,
    });
    const result = await runWith("-c -u -l K", { unloadFails });
    expect(result.actions).toEqual(["unload normal segments"]);
    expect(result.status).toBe(255);
  });
});

describe("exit statuses and texts", () => {
  test("-s where the kernel has no such call", async () => {
    const result = await runWith("-s -l K", { outcomes: [UNSUPPORTED] });
    expect(result.status).toBe(253);
    expect(result.stderr).toBe("syscall kexec_file_load not available.\nInvalid argument\n");
  });

  test.each<[string, Settings, number]>([
    ["-S", { crashLoaded: true, loaded: false }, 1],
    ["-S", { crashLoaded: false, loaded: true }, 0],
    ["-S -l", { crashLoaded: false, loaded: true }, 1],
    ["-S -p", { crashLoaded: false, loaded: true }, 0],
    ["-S", {}, 255],
  ])("kexec %s, %p", async (line, settings, status) => {
    const result = await runWith(line, settings);
    expect([result.status, result.stdout, result.stderr]).toEqual([status, "", ""]);
  });

  test("--print-ckr-size prints the size in bytes, 0 where nothing is reserved", async () => {
    const result = await runWith("--print-ckr-size");
    expect([result.status, result.stdout, result.stderr]).toEqual([0, "0\n", ""]);
  });

  test("--print-ckr-size: of the region that is used", async () => {
    const result = await runWith("--print-ckr-size", { crashRegion: true });
    expect([result.status, result.stdout]).toEqual([0, "268435456\n"]);
  });

  test("-p where nothing is reserved", async () => {
    const result = await runWith("-p K");
    expect(result.stderr).toBe(
      "Memory for crashkernel is not reserved\n" +
        'Please reserve memory by passing"crashkernel=Y@X" parameter to kernel\n' +
        "Then try to loading kdump kernel\n" +
        "Boot this kernel with crashkernel=256M, for example, and load again.\n",
    );
  });

  test("--hotplug where the kernel has no such thing", async () => {
    const result = await runWith("-p --hotplug K", { crashRegion: true });
    expect(result.stderr.split("\n").slice(0, 2)).toEqual([
      "Cannot open /sys/kernel/crash_elfcorehdr_size: No such file or directory",
      "Path /sys/kernel/crash_elfcorehdr_size does not exist, the kernel needs CONFIG_CRASH_HOTPLUG",
    ]);
  });

  test("-v", async () => {
    const result = await runWith("-v");
    expect(result.stdout).toMatch(/^kexec-tools 2\.0\.32 \(onekexec \d+\.\d+\.\d+\)\n$/);
    expect([result.status, result.stderr]).toEqual([0, ""]);
  });

  test("no kernel: the complaint on stderr, the usage on stdout", async () => {
    const result = await runWith("-l");
    expect([result.status, result.stderr]).toEqual([255, "No kernel specified\n"]);
    expect(result.stdout).toContain("Usage: kexec [OPTION]... [kernel]\n");
    expect(result.stdout).toContain("bzImage64\n");
  });

  test("unloads before it misses the kernel", async () => {
    const result = await runWith("-u -l");
    expect([result.status, result.actions]).toEqual([255, ["unload normal auto"]]);
  });

  test("--dry-run=json prints each attempt", async () => {
    const result = await runWith("-l --dry-run=json K --append=caf\u00e9");
    expect(result.stdout).toContain('"caf\\u00e9"');
    const { attempts } = DryRunJson.parse(JSON.parse(result.stdout));
    expect(attempts.map(({ call }) => call)).toEqual(["kexec_file_load", "kexec_load"]);
    expect(result.plans).toEqual([]);
  });

  test("--dry-run=json says which files were extracted", async () => {
    const result = await runWith("-s -l --dry-run=json K", { compressed: true });
    const { attempts } = DryRunJson.parse(JSON.parse(result.stdout));
    expect(attempts).toMatchObject([{ kernel: { path: "K", takenOut: true }, initrd: null }]);
  });

  test("--doctor=json prints findings; where nothing can be loaded, status is 1", async () => {
    const result = await runWith("--doctor=json");
    const { canLoad, findings } = DoctorJson.parse(JSON.parse(result.stdout));
    expect([canLoad, result.status, result.actions]).toEqual([false, 1, []]);
    expect(findings[0]).toMatchObject({ subject: "host", verdict: "ok" });
  });

  test("-d prints the evidence and the plan on stderr", async () => {
    const result = await runWith("-d -c -l K");
    expect(result.stderr).toStartWith("no Xen here\n/sys/firmware/efi: No such file");
    expect(result.stderr).toContain("\nkexec_load: 3 segments, entry 0x");
    expect(result.stdout).toBe("");
  });
});

describe("output that is lost", () => {
  const lostOutput = "ENOSPC: no space left on device";
  const said = `kexec: cannot write to standard output: ${lostOutput}\n`;

  test.each(["-v", "-h", "--print-ckr-size", "-l --dry-run K", "-l --dry-run=json K", "--doctor"])(
    "%s",
    async (line) => {
      const { status, stderr } = await runWith(line, { lostOutput });
      expect({ status, stderr }).toEqual({ status: 1, stderr: said });
    },
  );

  test("another status stays", async () => {
    const { status, stderr } = await runWith("--nonsense", { lostOutput });
    expect(stderr).toEndWith(said);
    expect(status).toBe(1);
    expect((await runWith("-S -l", { loaded: null, lostOutput })).status).toBe(255);
  });
});

describe("a file that expands to no image", () => {
  const ZEROS = new Uint8Array(1 << 20);
  const PACKERS = ["gzip -c", "zstd -q -c", "bzip2 -c", "xz -c", "xz -c --format=lzma", "lz4 -c"];

  test.each(["-c", "-s", "-a"])(
    "%s says of what it expands to what it would say of it",
    async (method) => {
      const whys = (stderr: string) => stderr.slice(stderr.indexOf("multiboot2-x86: "));
      const plain = await runWith(`${method} -l K`, { kernel: ZEROS });
      expect(plain.stderr).toStartWith("Cannot determine the file type of K\nmultiboot2-x86: no");
      for (const packer of PACKERS) {
        const kernel = packedBy(packer.split(" "), ZEROS);
        const { status, stderr, plans } = await runWith(`${method} -l K`, { kernel });
        expect(stderr).toBe(
          `Cannot determine the file type of K\nOf what the file expands to: ${whys(plain.stderr)}`,
        );
        expect([status, plans]).toEqual([255, []]);
      }
    },
  );

  test("an image that expands to more than is available says how much is", async () => {
    const kernel = new Uint8Array(1 << 20);
    kernel.set([0x7f, 0x45, 0x4c, 0x46]);
    const packed = packedBy(["gzip", "-c"], kernel);
    const { status, stderr } = await runWith("-c -l K", {
      ...{ kernel: packed, availableMemory: 1n << 19n },
    });
    expect(stderr).toStartWith(
      "Cannot determine the file type of K\ngzip: expands to more than 524288 bytes, the limit\n" +
        "512 KiB of memory are available: MemAvailable and SwapFree in /proc/meminfo.\n",
    );
    expect(status).toBe(255);
  });
});

describe("a compressed module", () => {
  const settings = {
    kernel: multibootElf(multibootHeader(0)),
    module: packedBy(["gzip", "-c"], new Uint8Array(1 << 20)),
  };
  const modules = async (available: Partial<Settings>) => {
    const { plans, status } = await runWith("-c -l K --module=M", { ...settings, ...available });
    expect(status).toBe(0);
    return plans.map(({ notes }) => notes.filter((note) => note.startsWith("M: ")));
  };

  test("is expanded where there is memory for it", async () => {
    const expanded = [[`M: gzip, ${settings.module.length} -> 1048576 bytes`]];
    expect(await modules({})).toEqual(expanded);
    expect(await modules({ availableMemory: 1n << 20n })).toEqual(expanded);
  });

  test("stays as it is where there is none", async () => {
    expect(await modules({ availableMemory: 1n << 19n })).toEqual([
      ["M: not expanded: gzip: expands to more than 524288 bytes, the limit"],
    ]);
  });
});
