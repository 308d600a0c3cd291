/** What each option makes of `-l k`. */

import { describe, expect, test } from "bun:test";
import { OPTIONS, type OptionName } from "../../src/cli/options.ts";
import type {
  LoaderRequest,
  LoadRequest,
  Request,
  RunRequest,
  Step,
} from "../../src/model/request.ts";
import { read, refusal, text } from "./command-lines.ts";

const MAX = (1n << 64n) - 1n;
const NO_LOADER: LoaderRequest = {
  commandLine: null,
  reuseCommandLine: false,
  initrd: null,
  argumentStyle: null,
  modules: [],
  realMode: false,
  entry32Bit: false,
  dtb: null,
  given: [],
};
/** kexec-tools' defaults. */
const PLAIN: LoadRequest = {
  purpose: "normal",
  method: "auto",
  kernel: "k",
  type: null,
  loader: NO_LOADER,
  console: { resetVga: false, vga: false, serial: false, serialBase: 0x3f8, serialBaud: 0 },
  memMin: 0n,
  memMax: MAX,
  skipChecks: false,
  debug: false,
  noEfi: false,
  reuseVideoType: false,
  noCma: false,
  forceDtb: false,
  entry: 0n,
  hotplug: false,
  passMemmapCmdline: false,
  unpack: true,
  facts: null,
};
const NO_XEN = { library: null, direct: false };
const WORLD = { xen: NO_XEN, crashFacts: false };
const DUMPS = { xen: NO_XEN, crashFacts: true };

/** `check-supported` for what the steps after it do. */
const supported = (purpose: LoadRequest["purpose"], action: "load" | "exec"): Step => ({
  kind: "check-supported",
  purpose,
  action,
});

/** `-l k`, with what an option changes in what is loaded, and in the steps around it. */
function loading(
  changes: Partial<LoadRequest> = {},
  {
    before = [],
    after = [{ kind: "sync" }],
    world = WORLD,
  }: { before?: readonly Step[]; after?: readonly Step[]; world?: RunRequest["world"] } = {},
): RunRequest {
  const load: LoadRequest = { ...PLAIN, ...changes };
  const steps: readonly Step[] = [
    supported(load.purpose, "load"),
    ...before,
    { kind: "load", request: load },
    ...after,
  ];
  return { action: "run", world, steps };
}

test("a plain load has kexec-tools' defaults", () => {
  expect(read(["-l", "k"])).toEqual(loading());
});

/** What a loader option changes. */
const loader = (name: OptionName, changes: Partial<LoaderRequest>): RunRequest =>
  loading({ loader: { ...NO_LOADER, given: [name], ...changes } });

const forConsole = (changes: Partial<LoadRequest["console"]>): RunRequest =>
  loading({ console: { ...PLAIN.console, ...changes } });

const run = (...steps: readonly Step[]): RunRequest => ({ action: "run", world: WORLD, steps });

const DOWN: readonly Step[] = [{ kind: "sync" }, { kind: "ifdown" }];

/** What `-l OPTION k` becomes, or how it ends. */
const EFFECTS: Record<OptionName, readonly [string | readonly string[], Request | string]> = {
  help: ["--help", "help 0"],
  version: ["--version", "version 0"],
  force: [
    "--force",
    loading(
      {},
      {
        before: [supported("normal", "exec")],
        after: [
          { kind: "require-loaded", purpose: "normal", unloaded: false },
          ...DOWN,
          { kind: "exec", purpose: "normal" },
        ],
      },
    ),
  ],
  "no-checks": ["--no-checks", loading({ skipChecks: true })],
  "no-ifdown": ["--no-ifdown", loading()],
  "no-sync": ["--no-sync", loading({}, { after: [] })],
  load: ["--load", loading()],
  unload: ["--unload", run({ kind: "unload", purpose: "normal", method: "auto" })],
  exec: [
    "--exec",
    run(
      supported("normal", "exec"),
      { kind: "require-loaded", purpose: "normal", unloaded: false },
      ...DOWN,
      { kind: "exec", purpose: "normal" },
    ),
  ],
  "exec-live-update": [
    "--exec-live-update",
    run(
      supported("live-update", "exec"),
      { kind: "require-loaded", purpose: "live-update", unloaded: false },
      ...DOWN,
      { kind: "exec", purpose: "live-update" },
    ),
  ],
  // A highest address is needed, and tested elsewhere.
  "load-preserve-context": [
    ["--load-preserve-context", "--mem-max=0xfff"],
    loading({ purpose: "preserve-context", memMax: 0xfffn }, { world: DUMPS }),
  ],
  "load-jump-back-helper": [
    ["--load-jump-back-helper", "--entry=16"],
    {
      action: "run",
      world: DUMPS,
      steps: [
        supported("preserve-context", "load"),
        { kind: "sync" },
        { kind: "jump-back", entry: 16n },
      ],
    },
  ],
  "load-live-update": ["--load-live-update", loading({ purpose: "live-update" })],
  entry: ["--entry=0x10", loading({ entry: 16n })],
  type: ["--type=x", loading({ type: "x" })],
  "load-panic": [
    "--load-panic",
    loading(
      { purpose: "crash" },
      { before: [{ kind: "require-crash-region" }], after: [], world: DUMPS },
    ),
  ],
  "mem-min": ["--mem-min=0x10", loading({ memMin: 16n })],
  "mem-max": ["--mem-max=-1", loading({ memMax: MAX })],
  reuseinitrd: [
    "--reuseinitrd",
    { ...loading(), steps: [{ kind: "refuse-initrd-reuse" }, ...loading().steps] },
  ],
  "kexec-file-syscall": ["--kexec-file-syscall", loading({ method: "file" })],
  "kexec-syscall": ["--kexec-syscall", loading({ method: "segments" })],
  "kexec-syscall-auto": ["--kexec-syscall-auto", loading({ method: "auto" })],
  debug: ["--debug", loading({ debug: true }, { before: [{ kind: "describe-host" }] })],
  status: ["--status", run({ kind: "status", purpose: "normal" })],
  "print-ckr-size": ["--print-ckr-size", { action: "print-crash-size", world: WORLD }],
  hotplug: ["--hotplug", loading({ hotplug: true }, { before: [{ kind: "require-hotplug" }] })],
  "no-cma": ["--no-cma", loading({ noCma: true })],
  "force-dtb": ["--force-dtb", loading({ forceDtb: true })],
  "reset-vga": ["--reset-vga", forConsole({ resetVga: true })],
  serial: ["--serial=0x2e8", forConsole({ serialBase: 0x2e8 })],
  "serial-baud": ["--serial-baud=115200", forConsole({ serialBaud: 115200 })],
  "console-vga": ["--console-vga", forConsole({ vga: true })],
  "console-serial": ["--console-serial", forConsole({ serial: true })],
  "elf32-core-headers": ["--elf32-core-headers", loading()],
  "elf64-core-headers": ["--elf64-core-headers", loading()],
  "pass-memmap-cmdline": ["--pass-memmap-cmdline", loading({ passMemmapCmdline: true })],
  noefi: ["--noefi", loading({ noEfi: true })],
  "reuse-video-type": ["--reuse-video-type", loading({ reuseVideoType: true })],
  "command-line": ["--command-line=a b", loader("command-line", { commandLine: "a b" })],
  append: ["--append=", loader("append", { commandLine: "" })],
  "reuse-cmdline": ["--reuse-cmdline", loader("reuse-cmdline", { reuseCommandLine: true })],
  initrd: ["--initrd=i", loader("initrd", { initrd: "i" })],
  ramdisk: ["--ramdisk=\xff", loader("ramdisk", { initrd: "\xff" })],
  "args-elf": ["--args-elf", loader("args-elf", { argumentStyle: "elf" })],
  "args-linux": ["--args-linux", loader("args-linux", { argumentStyle: "linux" })],
  "args-none": ["--args-none", loader("args-none", { argumentStyle: "none" })],
  module: ["--module=m a", loader("module", { modules: ["m a"] })],
  "real-mode": ["--real-mode", loader("real-mode", { realMode: true })],
  "entry-32bit": ["--entry-32bit", loader("entry-32bit", { entry32Bit: true })],
  dtb: ["--dtb=d", loader("dtb", { dtb: "d" })],
  "dry-run": [
    "--dry-run",
    { action: "dry-run", world: WORLD, format: "text", before: [], load: PLAIN },
  ],
  doctor: ["--doctor", { action: "doctor", world: WORLD, format: "text" }],
  facts: ["--facts=f", "misused"],
  "save-facts": [
    "--save-facts=f",
    {
      action: "run",
      world: DUMPS,
      steps: [{ kind: "save-facts", path: "f" }, ...loading().steps],
    },
  ],
  "no-unpack": ["--no-unpack", loading({ unpack: false })],
  "xen-library": [
    "--xen-library=/x.so",
    loading({}, { world: { ...WORLD, xen: { library: "/x.so", direct: false } } }),
  ],
  "xen-direct": [
    "--xen-direct",
    loading({}, { world: { ...WORLD, xen: { library: null, direct: true } } }),
  ],
};

describe("every option", () => {
  test.each(Object.entries(EFFECTS))("--%s", (_name, [word, effect]) => {
    const argv = ["-l", ...[word].flat(), "k"];
    if (effect === "misused") expect(refusal(argv).exitStatus).toBe(1);
    else if (typeof effect === "string") expect(text(argv)).toBe(effect);
    else expect(read(argv)).toEqual(effect);
  });

  test("that needs something to load is a mistake without", () => {
    for (const { name, onlyWithLoad } of OPTIONS.filter((option) => option.scope !== "own")) {
      if (!onlyWithLoad) continue;
      for (const action of ["-u", "-e", "-S"]) {
        const complaint = `kexec: option '--${name}' is for loading a kernel`;
        const words = [EFFECTS[name][0]].flat();
        expect(text([action, ...words])).toBe(`usage 1 ${complaint}`);
        expect(text([...words, "-l", action])).toBe(`usage 1 ${complaint}`);
      }
    }
  });
});
