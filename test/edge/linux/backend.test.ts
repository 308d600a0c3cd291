import { describe, expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import { linuxBackend } from "../../../src/edge/linux/backend.ts";
import type { ImagePurpose } from "../../../src/model/purpose.ts";
import { difference } from "../../conformance/differences.ts";
import { refusal } from "../../kexec-error.ts";
import { type FakeLinux, fakeLinux, filePlan, segment, segmentPlan } from "./fake-linux.ts";

const { EPERM, EINVAL, ENOSYS } = Errno;

const backend = ({ host }: FakeLinux) => linuxBackend(host, ["no Xen"]);

test.each([
  ["file", ["file"]],
  ["segments", ["segments"]],
  ["auto", ["file", "segments"]],
] as const)("attempts(%s)", (method, kinds) => {
  expect(backend(fakeLinux()).attempts(method)).toEqual(kinds);
});

test("linuxBackend and close make no kexec call", () => {
  const linux = fakeLinux();
  backend(linux).close();
  expect(backend(linux)).toMatchObject({ name: "linux", evidence: ["no Xen"] });
  expect(linux.calls).toEqual([]);
});

describe("kexec_load", () => {
  test("gets the plan's entry, segments and memory", () => {
    const linux = fakeLinux();
    const plan = segmentPlan();
    expect(backend(linux).load(plan)).toEqual({ kind: "loaded" });
    expect(linux.calls).toEqual([
      {
        name: "kexec_load",
        entry: 0x3ffd7760n,
        flags: 0x3e0000,
        memory: plan.segments.map(({ bytes }) => bytes),
        segments: [
          { buf: 0x7f0000001000n, bufsz: 0x30n, mem: 0x100000n, memsz: 0x1000n },
          { buf: 0x7f0000002000n, bufsz: 0x1234n, mem: 0x3c000000n, memsz: 0x3f98000n },
        ],
      },
    ]);
  });

  test.each([
    [{ purpose: "normal" }, 0x3e0000],
    [{ purpose: "crash" }, 0x3e0001],
    [{ purpose: "preserve-context" }, 0x3e0002],
    [{ debug: true }, 0x3e0010],
    [{ purpose: "crash", debug: true }, 0x3e0011],
    [{ purpose: "crash", hotplug: true }, 0x3e0005],
    [{ purpose: "crash", hotplug: true, architecture: "arm64" }, 0xb70009],
    [{ architecture: "arm64" }, 0xb70000],
  ] as const)("%j: flags %d", (parts, flags) => {
    const linux = fakeLinux();
    backend(linux).load(segmentPlan(parts));
    expect(linux.calls.map((call) => call.flags)).toEqual([flags]);
  });

  test.each([
    ["load", "--load-live-update can only be used with xen"],
    ["exec", "--exec-live-update only works under xen."],
  ] as const)("a live update is Xen's alone: %s", (action, message) => {
    const linux = fakeLinux();
    const error = refusal(() => backend(linux).checkSupported("live-update", action));
    expect(error.message).toBe(message);
    expect(error.exitStatus).toBe(1);
    expect(linux.calls).toEqual([]);
  });

  test("a kernel that rejects KEXEC_DEBUG gets a second call without it", () => {
    const linux = fakeLinux([EINVAL]);
    expect(backend(linux).load(segmentPlan({ debug: true }))).toEqual({ kind: "loaded" });
    expect(linux.calls.map((call) => call.flags)).toEqual([0x3e0010, 0x3e0000]);
  });

  test("without -d, EINVAL is final", () => {
    const linux = fakeLinux([EINVAL]);
    expect(() => backend(linux).load(segmentPlan())).toThrow("kexec_load failed: Invalid argument");
    expect(linux.calls.length).toBe(1);
  });

  test("a failure has kexec-tools' message, with the segments", () => {
    const segments = [
      segment(0n, 0x1000n, new Uint8Array(0)),
      segment(0x100000n, 0x2000n, new Uint8Array(0x30)),
    ];
    const linux = fakeLinux([EPERM]);
    const error = refusal(() => backend(linux).load(segmentPlan({ entry: 0n, segments })));
    expect(error.message.split("\n")).toEqual([
      "kexec_load failed: Operation not permitted",
      "entry       = (nil) flags = 0x3e0000",
      "nr_segments = 2",
      "segment[0].buf   = (nil)",
      "segment[0].bufsz = 0x0",
      "segment[0].mem   = (nil)",
      "segment[0].memsz = 0x1000",
      "segment[1].buf   = 0x7f0000001000",
      "segment[1].bufsz = 0x30",
      "segment[1].mem   = 0x100000",
      "segment[1].memsz = 0x2000",
    ]);
    expect(error.hint).toBe("hint: 1 kexec_load normal");
    expect(error.exitStatus).toBe(255);
  });

  test("ENOSYS is an error: there is no other call to fall back to", () => {
    const error = refusal(() => backend(fakeLinux([ENOSYS])).load(segmentPlan()));
    expect(error.message).toStartWith("kexec_load failed: Function not implemented\nentry ");
    expect(error.exitStatus).toBe(255);
  });
});

describe("kexec_file_load", () => {
  test("gets descriptors and the command line with its NUL", () => {
    const linux = fakeLinux();
    expect(backend(linux).load(filePlan())).toEqual({ kind: "loaded" });
    expect(linux.calls).toEqual([
      {
        name: "kexec_file_load",
        fds: [5, 6],
        commandLine: new Uint8Array(Buffer.from("quiet\0")),
        flags: 0,
      },
    ]);
  });

  test.each([
    [{}, 0],
    [{ initrd: null }, 4],
    [{ purpose: "crash" }, 2],
    [{ debug: true }, 8],
    [{ noCma: true }, 0x10],
    [{ forceDtb: true }, 0x20],
    [{ purpose: "crash", initrd: null, debug: true, noCma: true, forceDtb: true }, 0x3e],
  ] as const)("%j: flags %d", (parts, flags) => {
    const linux = fakeLinux();
    backend(linux).load(filePlan(parts));
    expect(linux.calls.map((call) => call.flags)).toEqual([flags]);
  });

  test("no initrd is descriptor -1", () => {
    const linux = fakeLinux();
    backend(linux).load(filePlan({ initrd: null }));
    expect(linux.calls[0]?.fds).toEqual([5, -1]);
  });

  test.each([
    ["x86_64", null, new Uint8Array([0])],
    ["x86_64", "", new Uint8Array([0])],
    ["arm64", null, null],
    ["arm64", "", new Uint8Array([0])],
    ["x86_64", "b\xe4r", new Uint8Array([0x62, 0xe4, 0x72, 0])],
  ] as const)("%s, command line %j", (architecture, commandLine, bytes) => {
    const linux = fakeLinux();
    backend(linux).load(filePlan({ architecture, commandLine }));
    expect(linux.calls[0]?.commandLine).toEqual(bytes);
  });

  test.each([
    ["ENOSYS", "Function not implemented"],
    ["EINVAL", "Invalid argument"],
    ["ENOEXEC", "Exec format error"],
    ["EOPNOTSUPP", "Operation not supported"],
    ["ENOTSUPP", "Unknown error 524"],
  ] as const)("%s is unsupported, so that -a tries kexec_load", (error, text) => {
    const outcome = backend(fakeLinux([Errno[error]])).load(filePlan());
    if (outcome.kind !== "unsupported") throw new Error(outcome.kind);
    expect(outcome.why).toStartWith(`kexec_file_load: ${text}: `);
  });

  test.each([
    ["EPERM", "Operation not permitted"],
    ["EBUSY", "Device or resource busy"],
    ["ENOKEY", "Required key not available"],
    ["EKEYREJECTED", "Key was rejected by service"],
    ["ELIBBAD", "Accessing a corrupted shared library"],
    ["ENOPKG", "Package not installed"],
    ["EBADMSG", "Bad message"],
    ["EMSGSIZE", "Message too long"],
    ["ENODATA", "No data available"],
    ["EADDRNOTAVAIL", "Cannot assign requested address"],
    ["ENOMEM", "Cannot allocate memory"],
    ["EFBIG", "File too large"],
  ] as const)("%s is final: kexec_load must not bypass a signature check", (name, text) => {
    const errno = Errno[name];
    const error = refusal(() => backend(fakeLinux([errno])).load(filePlan()));
    expect(error.message).toBe(`kexec_file_load failed: ${text}`);
    expect(error.hint).toBe(`hint: ${errno} kexec_file_load normal`);
    expect(error.exitStatus).toBe(255);
  });

  test("an older kernel gets a second call without the optional flags", () => {
    const linux = fakeLinux([EINVAL]);
    const plan = filePlan({ debug: true, noCma: true, purpose: "crash" });
    expect(backend(linux).load(plan)).toEqual({ kind: "loaded" });
    expect(linux.calls.map((call) => call.flags)).toEqual([0x1a, 2]);
  });

  test("a flag that the user relies on is not dropped", () => {
    const linux = fakeLinux([EINVAL]);
    expect(backend(linux).load(filePlan({ forceDtb: true })).kind).toBe("unsupported");
    expect(linux.calls.length).toBe(1);
  });
});

describe("unload", () => {
  const FILE = { name: "kexec_file_load", fds: [-1, -1], commandLine: null } as const;
  const SEGMENTS = { name: "kexec_load", entry: 0n, segments: [], memory: [] } as const;

  test.each([
    ["segments", "normal", [{ ...SEGMENTS, flags: 0x3e0000 }]],
    ["segments", "crash", [{ ...SEGMENTS, flags: 0x3e0001 }]],
    ["file", "normal", [{ ...FILE, flags: 1 }]],
    ["file", "crash", [{ ...FILE, flags: 3 }]],
    ["auto", "normal", [{ ...FILE, flags: 1 }]],
  ] as const)("%s %s", (method, purpose, calls) => {
    const linux = fakeLinux();
    backend(linux).unload(purpose, method);
    expect(linux.calls).toEqual([...calls]);
  });

  test("-a unloads by kexec_load where there is no kexec_file_load", () => {
    const linux = fakeLinux([ENOSYS]);
    backend(linux).unload("crash", "auto");
    expect(linux.calls.map(({ name, flags }) => [name, flags])).toEqual([
      ["kexec_file_load", 3],
      ["kexec_load", 0x3e0001],
    ]);
  });

  test("-s fails where there is no kexec_file_load", () => {
    const linux = fakeLinux([ENOSYS]);
    const error = refusal(() => backend(linux).unload("normal", "file"));
    expect(error.message).toBe("syscall kexec_file_load not available.");
    expect(error.exitStatus).toBe(253);
    expect(linux.calls.length).toBe(1);
  });

  test.each([
    ["segments", "EPERM", "kexec unload failed: Operation not permitted", "unload"],
    ["file", "EPERM", "kexec_file_load(unload) failed: Operation not permitted", "file-unload"],
    ["auto", "EBUSY", "kexec_file_load(unload) failed: Device or resource busy", "file-unload"],
  ] as const)("%s refused with %s", (method, name, message, call) => {
    const errno = Errno[name];
    const error = refusal(() => backend(fakeLinux([errno])).unload("normal", method));
    expect(error.message).toBe(message);
    expect(error.hint).toBe(`hint: ${errno} ${call} normal`);
    expect(error.exitStatus).toBe(255);
  });

  test("on an unknown architecture the flags have no ELF machine number", () => {
    const linux = fakeLinux([], { architecture: null });
    backend(linux).unload("normal", "segments");
    expect(linux.calls[0]?.flags).toBe(0);
  });
});

test.each([
  ["normal", { loaded: true, crashLoaded: false }, true],
  ["normal", { loaded: false, crashLoaded: true }, false],
  ["preserve-context", { loaded: true }, true],
  ["crash", { loaded: true, crashLoaded: false }, false],
  ["crash", { crashLoaded: true }, true],
  ["crash", {}, null],
] as [ImagePurpose, object, boolean | null][])(
  "loadedState(%s) of %p",
  (purpose, state, loaded) => {
    expect(backend(fakeLinux([], { state })).loadedState(purpose)).toEqual({ loaded, doubt: null });
  },
);

test("exec throws the kernel's error", () => {
  const linux = fakeLinux([EPERM]);
  const error = refusal(() => backend(linux).exec("normal"));
  expect(linux.calls).toEqual([{ name: "reboot" }]);
  expect(error.message).toBe("kexec failed: Operation not permitted");
  expect(error.exitStatus).toBe(255);
});

test(`${difference("jump-back").id}: exec returns where the next kernel jumped back`, () => {
  const linux = fakeLinux();
  backend(linux).exec("normal");
  expect(linux.calls).toEqual([{ name: "reboot" }]);
});

describe("the jump back", () => {
  const nothing = { state: { loaded: false } };

  test("is one empty segment, whose entry point is that of the preserved kernel", () => {
    const linux = fakeLinux([], nothing);
    backend(linux).loadJumpBack(0x7ff53000n);
    const empty = { buf: 0n, bufsz: 0n, mem: 0n, memsz: 0n };
    expect(linux.calls).toEqual([
      { name: "kexec_load", entry: 0x7ff53000n, flags: 0x2, memory: [], segments: [empty] },
    ]);
  });

  test.each([
    ["where a kernel is loaded", { state: { loaded: true } }, 1n, "There is kexec kernel loaded"],
    ["where it is unknown whether a kernel is loaded", {}, 1n, "There is kexec kernel loaded"],
    ["without an entry point", nothing, 0n, "Please specify jump back entry in command line"],
  ] as const)("is refused %s", (_where, settings, entry, message) => {
    const linux = fakeLinux([], settings);
    const error = refusal(() => backend(linux).loadJumpBack(entry));
    expect(error.message).toStartWith(message);
    expect(error.exitStatus).toBe(255);
    expect(linux.calls).toEqual([]);
  });

  test("fails with the kernel's error", () => {
    const error = refusal(() => backend(fakeLinux([EINVAL], nothing)).loadJumpBack(0x100000n));
    expect(error.message).toBe("load jump back kernel failed: Invalid argument");
    expect(error.hint).toBe(`hint: ${EINVAL} kexec_load preserve-context`);
    expect(error.exitStatus).toBe(255);
  });
});

test("a command line with a NUL is a bug: it throws", () => {
  expect(() => backend(fakeLinux()).load(filePlan({ commandLine: "a\0b" }))).toThrow(RangeError);
});

describe("probe", () => {
  test.each([
    ["both calls work", [EINVAL, EINVAL], [true, true]],
    ["kexec_load works alone", [ENOSYS, EINVAL], [false, true]],
    ["kexec_file_load works alone", [EINVAL, EPERM], [true, false]],
  ] as const)("%s", (_, answers, works) => {
    const linux = fakeLinux(answers);
    const probes = backend(linux).probe();
    expect(probes.map((one) => one.works)).toEqual([...works]);
    expect(probes.map(({ why }) => why === null)).toEqual([...works]);
  });

  test("uses arguments that every kernel must reject: an undefined flag, too many segments", () => {
    const linux = fakeLinux([EINVAL, EINVAL]);
    backend(linux).probe();
    expect(linux.calls[0]).toMatchObject({ fds: [-1, -1], flags: 0x40000000 });
    expect(linux.calls[1]?.segments).toHaveLength(17);
    expect((linux.calls[1]?.flags ?? 0) & 0xffff).toBe(0x8000);
  });
});
