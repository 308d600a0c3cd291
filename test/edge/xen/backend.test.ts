/** The Xen backend with a fake Xen that behaves as Xen 4.17. */

import { describe, expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import { xenBackend } from "../../../src/edge/xen/backend.ts";
import type { ImagePurpose } from "../../../src/model/purpose.ts";
import { refusal } from "../../kexec-error.ts";
import { filePlan, segment, segmentPlan } from "../linux/fake-linux.ts";
import { type FakeXenSettings, fakeXen } from "./fake-xen.ts";

const EVIDENCE = ["Xen, PV dom0"];

function made(settings: FakeXenSettings = {}) {
  const xen = fakeXen(settings);
  return { xen, backend: xenBackend(xen.host, EVIDENCE) };
}

const PLAN = segmentPlan({
  segments: [
    { ...segment(0n, 0x100000n, new Uint8Array(0)), role: "mapped" },
    ...segmentPlan().segments,
  ],
});

describe("a load passes to Xen", () => {
  test("the plan: type, architecture, entry, and every segment", () => {
    const { xen, backend } = made();
    expect(backend.load(PLAN)).toEqual({ kind: "loaded" });
    const [load] = xen.loads;
    expect(load).toMatchObject({ type: 0, arch: 62, entryMaddr: PLAN.entry });
    expect(load?.segments).toEqual(
      PLAN.segments.map(({ bytes, start, size }) => ({ bytes, destMaddr: start, destSize: size })),
    );
  });

  test.each([
    ["normal", 0],
    ["crash", 1],
    ["live-update", 2],
  ] as [ImagePurpose, number][])("the image type of purpose %s: %p", (purpose, type) => {
    const { xen, backend } = made();
    backend.load({ ...PLAN, purpose });
    expect(xen.loads.map((load): number => load.type)).toEqual([type]);
  });

  test("a segment plan for every load method", () => {
    const { backend } = made();
    for (const method of ["file", "segments", "auto"] as const) {
      expect(backend.attempts(method)).toEqual(["segments"]);
    }
    expect(() => backend.load(filePlan())).toThrow(RangeError);
  });
});

describe("after each call the status bit says whether an image is loaded", () => {
  /** Whether an image was loaded and the status bit set before: all states that tools can leave. */
  const BEFORE = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const;

  test.each(BEFORE)("before: loaded %p, bit %p: a load", (loaded, bit) => {
    const { xen, backend } = made();
    if (loaded) xen.loaded.add(0);
    if (bit) xen.statusBits.add(0);
    backend.load(PLAN);
    expect([...xen.loaded]).toEqual([0]);
    expect(backend.loadedState("normal").loaded).toBe(true);
  });

  test.each(BEFORE)("before: loaded %p, bit %p: an unload", (loaded, bit) => {
    const { xen, backend } = made();
    if (loaded) xen.loaded.add(0);
    if (bit) xen.statusBits.add(0);
    backend.unload("normal", "auto");
    expect([...xen.loaded]).toEqual([]);
    expect(backend.loadedState("normal").loaded).toBe(false);
  });

  test.each(BEFORE)(
    "before: loaded %p, bit %p: a load that fails leaves nothing loaded",
    (loaded, bit) => {
      const { xen, backend } = made({ fails: { load: [12] } });
      if (loaded) xen.loaded.add(0);
      if (bit) xen.statusBits.add(0);
      refusal(() => backend.load(PLAN));
      expect(backend.loadedState("normal").loaded).toBe(false);
      if (bit) expect([...xen.loaded]).toEqual([]);
    },
  );

  test("a load of one type does not change the other type", () => {
    const { xen, backend } = made();
    backend.load({ ...PLAN, purpose: "crash" });
    backend.load(PLAN);
    backend.unload("normal", "auto");
    expect([...xen.loaded]).toEqual([1]);
    expect(backend.loadedState("crash").loaded).toBe(true);
  });

  test("loadedState has a doubt with both answers", () => {
    const { backend } = made();
    expect(backend.loadedState("normal").doubt).toContain("Xen reports no image.");
    backend.load(PLAN);
    expect(backend.loadedState("normal").doubt).toContain("Xen reports an image.");
  });

  test.each(["ENOSYS", "EINVAL"] as const)(
    "without the status call (%s) it is unknown whether an image is loaded",
    (name) => {
      const { xen, backend } = made({ fails: { status: Array(9).fill(Errno[name]) } });
      expect(backend.load(PLAN)).toEqual({ kind: "loaded" });
      expect(xen.calls.filter((call) => call.startsWith("unload"))).toEqual([]);
      expect(backend.loadedState("normal")).toEqual({
        loaded: null,
        doubt: "Xen does not report whether an image is loaded: this Xen has no status call.",
      });
    },
  );
});

describe("failures", () => {
  test.each([
    ["EPERM", "Operation not permitted", "PV dom0 only"],
    ["ENOMEM", "Cannot allocate memory", "dom0_mem="],
    ["EFAULT", "Bad address", "try again"],
    ["EBUSY", "Device or resource busy", "already starting another kernel"],
    ["EINVAL", "Invalid argument", "--dry-run"],
    ["ENOSYS", "Function not implemented", "CONFIG_KEXEC"],
    ["EADDRNOTAVAIL", "Cannot assign requested address", "unaligned segment"],
  ] as const)("load refused with %s", (name, text, hint) => {
    const error = refusal(() => made({ fails: { load: [Errno[name]] } }).backend.load(PLAN));
    expect(error.exitStatus).toBe(255);
    expect(error.message.split("\n").slice(0, 3)).toEqual([
      `kexec_load failed: ${text}`,
      "entry       = 0x3ffd7760 flags = 0x3e0000",
      "nr_segments = 2",
    ]);
    expect(error.hint).toContain(hint);
  });

  test("a crash kernel's segment outside of the crash region has its own hint", () => {
    const { backend } = made({ fails: { load: [Errno.EADDRNOTAVAIL] } });
    const error = refusal(() => backend.load({ ...PLAN, purpose: "crash" }));
    expect(error.message).toContain("flags = 0x3e0001");
    expect(error.hint).toContain("larger crashkernel=");
  });

  test.each([
    [1, "a hypercall buffer for the kernel"],
    [null, "a hypercall buffer for the hypercall's arguments"],
  ])("no memory for segment %p", (index, words) => {
    const loadOutcome = { kind: "no-memory", errno: Errno.ENOMEM, segment: index } as const;
    const error = refusal(() => made({ loadOutcome }).backend.load(PLAN));
    expect(error.message).toStartWith("kexec_load failed: Cannot allocate memory\n");
    expect(error.hint).toContain(words);
  });

  test("unload", () => {
    const error = refusal(() =>
      made({ fails: { unload: [Errno.EBUSY] } }).backend.unload("normal", "auto"),
    );
    expect(error.message).toBe("kexec unload failed: Device or resource busy");
    expect(error.exitStatus).toBe(255);
  });

  test("exec throws Xen's error", () => {
    const error = refusal(() => made().backend.exec("normal"));
    expect(error.message).toBe("kexec failed: No such file or directory");
    expect(error.hint).toStartWith("Nothing is loaded.");
    expect(error.exitStatus).toBe(255);
  });

  test("a live update is refused before anything else is done, with a hint", () => {
    const { xen, backend } = made({ fails: { status: [22] } });
    const error = refusal(() => backend.checkSupported("live-update", "exec"));
    expect(error.message).toBe("kexec failed: Invalid argument");
    expect(error.hint).toStartWith("This Xen has no live update");
    expect(xen.calls).not.toContain("exec 2");
  });

  test("a Xen with live update starts it after exec has returned", () => {
    const { xen, backend } = made();
    backend.checkSupported("live-update", "exec");
    backend.load({ ...PLAN, purpose: "live-update" });
    backend.exec("live-update");
    expect(xen.calls).toContain("exec 2");
  });

  test("--load-preserve-context is refused", () => {
    const error = refusal(() => made().backend.checkSupported("preserve-context", "load"));
    expect(error.message).toContain("not possible under Xen");
  });
});

describe("without libxenctrl and privcmd device", () => {
  const closed = () => made({ closed: true });
  const LAYOUT =
    "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout";
  const WHY = "cannot open /dev/xen/privcmd: No such file or directory\nTry: modprobe xen-privcmd";

  test.each<[string, (backend: ReturnType<typeof made>["backend"]) => unknown, string]>([
    ["load", (backend) => backend.load(PLAN), LAYOUT],
    ["unload", (backend) => backend.unload("normal", "auto"), "kexec unload failed: No such file"],
    ["exec", (backend) => backend.checkSupported("normal", "exec"), "kexec failed: No such file"],
  ])("%s fails with kexec-tools' message and the reason", (_name, act, message) => {
    const error = refusal(() => act(closed().backend));
    expect(error.message).toStartWith(message);
    expect(error.hint).toBe(WHY);
    expect(error.exitStatus).toBe(255);
  });

  test("whether an image is loaded is unknown, with the reason", () => {
    const { backend } = closed();
    expect(backend.loadedState("normal")).toEqual({ loaded: null, doubt: WHY });
    expect(backend.evidence).toContain("cannot open /dev/xen/privcmd: No such file or directory");
  });

  test("Xen is opened once only, since the library prints each failure itself", () => {
    const { xen, backend } = closed();
    backend.loadedState("normal");
    backend.loadedState("crash");
    refusal(() => backend.unload("normal", "auto"));
    expect(xen.calls).toEqual(["open"]);
  });
});

test("the interface is opened once, and closed once", () => {
  const { xen, backend } = made();
  backend.load(PLAN);
  backend.loadedState("normal");
  backend.close();
  backend.close();
  expect(xen.calls.filter((call) => call === "open" || call === "close")).toEqual([
    "open",
    "close",
  ]);
});

test("-d has the decision, the attempts, and what hypercalls go through", () => {
  expect(made().backend.evidence).toEqual([
    "Xen, PV dom0",
    "libxenctrl.so.4.18: not found",
    "hypercalls go through libxenctrl.so.4.17",
    "Xen loads only segments that kexec itself has placed: -s and -a act as -c",
  ]);
});
