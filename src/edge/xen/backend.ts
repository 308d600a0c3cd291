/**
 * The Xen backend: in a PV dom0 the hypervisor keeps and starts the next kernel.
 *
 * What Xen tells of its images is little. Its status is not "loaded": each load and each unload of
 * an image, even an unload of nothing, turns it over. [xen xen/common/kexec.c kexec_swap_images,
 * kexec_status] So this backend unloads before it loads where the mark is up, and unloads twice
 * where it is down: after either, as long as nobody else loads, the mark says what is loaded.
 */

import { EM_X86_64 } from "../../core/elf.ts";
import { ExitStatus, fail, KexecError } from "../../core/error.ts";
import type { Backend, HostProbe, LoadedState, LoadOutcome } from "../../model/backend.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { ImagePurpose, LoadPlan, SegmentPlan } from "../../model/load-plan.ts";
import { kindsToTry } from "../../model/plan-kinds.ts";
import { failedLoad } from "../failed-load.ts";
import { Errno } from "../ffi/errno.ts";
import type { XenCalls } from "./calls.ts";
import { explainXen } from "./explain-refusal.ts";
import { ClosedDoor, type OpenedXen } from "./open.ts";
import { XEN_PLAN_KINDS } from "./read-facts.ts";
import { KexecRange, KexecType } from "./structs.ts";

/** What the backend needs of the machine; tests give their own. */
export interface XenHost {
  /** Opened once, when first needed. @throws ClosedDoor */
  open(): OpenedXen;
  /** @throws KexecError `xen.memory-map` */
  readFacts(calls: XenCalls, linux: HostFacts): HostFacts;
  addressOf(bytes: Uint8Array): bigint;
  strerror(errno: number): string;
}

const KEXEC_TYPE: Readonly<Record<ImagePurpose, KexecType | null>> = {
  normal: KexecType.KEXEC_TYPE_DEFAULT,
  crash: KexecType.KEXEC_TYPE_CRASH,
  "live-update": KexecType.KEXEC_TYPE_LIVE_UPDATE,
  "preserve-context": null,
};

/** kexec-tools' flags for the same, which its message shows. */
const SHOWN_FLAGS: Readonly<Record<ImagePurpose, number>> = {
  normal: 0,
  crash: 1,
  "preserve-context": 2,
  "live-update": 4,
};

function typeOf(purpose: ImagePurpose): KexecType {
  const type = KEXEC_TYPE[purpose];
  if (type !== null) return type;
  return fail({
    code: "xen.preserve-context",
    message: "--load-preserve-context is not possible under Xen",
    hint: "Xen's kexec never returns to the kernel that it left.",
    exitStatus: ExitStatus.failed,
  });
}

/** The way to Xen, or why there is none. */
function enter(host: XenHost): OpenedXen | ClosedDoor {
  try {
    return host.open();
  } catch (error) {
    if (error instanceof ClosedDoor) return error;
    throw error;
  }
}

const whyClosed = ({ message, hint }: ClosedDoor): string =>
  [message, hint].filter(Boolean).join("\n");

/** Xen's calls. @throws KexecError kexec-tools' line where there is no way to Xen, and why */
function callsOf(host: XenHost, line: (why: string) => string): XenCalls {
  const door = enter(host);
  if (!(door instanceof ClosedDoor)) return door.calls;
  throw new KexecError({
    code: door.code,
    message: line(door.why),
    hint: whyClosed(door),
    exitStatus: ExitStatus.failed,
    cause: door,
  });
}

function failLoad(plan: SegmentPlan, errno: number, host: XenHost, hint?: string): never {
  const shown = plan.segments
    .filter(({ role }) => role !== "mapped")
    .map(({ bytes, start, size }) => ({
      buf: host.addressOf(bytes),
      bufsz: BigInt(bytes.length),
      mem: start,
      memsz: size,
    }));
  const flags = (EM_X86_64 << 16) | SHOWN_FLAGS[plan.purpose];
  return fail({
    code: "xen.load",
    message: failedLoad(host.strerror(errno), plan.entry, flags, shown),
    hint: hint ?? explainXen(errno, "load", plan.purpose),
    exitStatus: ExitStatus.failed,
  });
}

/** So that the mark is down before a load, and up after it. A Xen without the call has no mark. */
function takeMarkDown(calls: XenCalls, type: KexecType): number {
  return calls.status(type) > 0 ? calls.unload(type) : 0;
}

/** What kexec-tools says where a load ends because of it. */
const noMemoryMap = (): string =>
  "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout";

function load(plan: SegmentPlan, host: XenHost): LoadOutcome {
  const type = typeOf(plan.purpose);
  const calls = callsOf(host, noMemoryMap);
  const down = takeMarkDown(calls, type);
  if (down < 0) failLoad(plan, -down, host);
  const outcome = calls.load({
    type,
    arch: EM_X86_64,
    entryMaddr: plan.entry,
    segments: plan.segments.map(({ bytes, start, size }) => ({
      bytes,
      destMaddr: start,
      destSize: size,
    })),
  });
  switch (outcome.kind) {
    case "loaded":
      return outcome;
    case "refused":
      return failLoad(plan, outcome.errno, host);
    case "no-memory": {
      const segment = outcome.segment === null ? undefined : plan.segments[outcome.segment];
      const what = segment === undefined ? "the call itself" : `the ${segment.role}`;
      const hint =
        `dom0 has no memory for a copy of ${what} that Xen can read.\n` +
        "Free some, or use a smaller image: every segment is copied before Xen is asked.";
      return failLoad(plan, outcome.errno, host, hint);
    }
  }
}

function unload(purpose: ImagePurpose, host: XenHost): void {
  const failed = (errno: number, hint: string | undefined): never =>
    fail({
      code: "xen.unload",
      message: `kexec unload failed: ${host.strerror(errno)}`,
      hint,
      exitStatus: ExitStatus.failed,
    });
  const type = typeOf(purpose);
  const calls = callsOf(host, (why) => `kexec unload failed: ${why}`);
  const once = (): void => {
    const status = calls.unload(type);
    if (status < 0) failed(-status, explainXen(-status, "unload", purpose));
  };
  once();
  if (calls.status(type) > 0) once();
}

/** What can be known, and how well. */
const MARK_UP =
  "Xen says so. Xen's status bit toggles with every load and unload; other tools can invert it.";
const MARK_DOWN =
  "Xen says no. Xen's status bit toggles with every load and unload; other tools can invert it.";

function loadedState(purpose: ImagePurpose, host: XenHost): LoadedState {
  const door = enter(host);
  if (door instanceof ClosedDoor) return { loaded: null, doubt: whyClosed(door) };
  const status = door.calls.status(typeOf(purpose));
  if (status >= 0) return { loaded: status > 0, doubt: status > 0 ? MARK_UP : MARK_DOWN };
  const old = status === -Errno.ENOSYS || status === -Errno.EINVAL;
  const why = old ? "this Xen does not tell" : host.strerror(-status);
  return { loaded: null, doubt: `Whether an image is loaded is not known: ${why}.` };
}

function failExec(errno: number, purpose: ImagePurpose, host: XenHost): never {
  return fail({
    code: "xen.exec",
    message: `kexec failed: ${host.strerror(errno)}`,
    hint: explainXen(errno, "exec", purpose),
    exitStatus: ExitStatus.failed,
  });
}

/** The network is down by the time an image is started, so what can be known is asked before. */
function checkSupported(purpose: ImagePurpose, action: "load" | "exec", host: XenHost): void {
  const type = typeOf(purpose);
  if (action === "load") return;
  const calls = callsOf(host, (why) => `kexec failed: ${why}`);
  const status = purpose === "live-update" ? calls.status(type) : 0;
  if (status === -Errno.EINVAL) failExec(Errno.EINVAL, purpose, host);
}

function exec(purpose: ImagePurpose, host: XenHost): void {
  const type = purpose === "live-update" ? typeOf(purpose) : KexecType.KEXEC_TYPE_DEFAULT;
  const status = host.open().calls.exec(type);
  // A live update goes on in Xen after the call has returned.
  if (status >= 0 && purpose === "live-update") return;
  failExec(status < 0 ? -status : Errno.EIO, purpose, host);
}

function segmentsOf(plan: LoadPlan): SegmentPlan {
  if (plan.kind === "segments") return plan;
  throw new RangeError("Xen takes no files, and no plan for any is made");
}

/** Asked for the range that every Xen with kexec tells. */
function probe(host: XenHost): HostProbe {
  const common = { kind: "segments", call: "KEXEC_CMD_kexec_load" } as const;
  const door = enter(host);
  if (door instanceof ClosedDoor) {
    return { ...common, works: false, why: door.message, hint: door.hint ?? null };
  }
  const range = door.calls.getRange(KexecRange.KEXEC_RANGE_MA_XEN, 0);
  if (typeof range !== "number") return { ...common, works: true, why: null, hint: null };
  const hint = explainXen(-range, "load", "normal") ?? null;
  return { ...common, works: false, why: host.strerror(-range), hint };
}

/** @param evidence why this backend was chosen */
export function xenBackend(host: XenHost, evidence: readonly string[]): Backend {
  let door: OpenedXen | ClosedDoor | null = null;
  const own: XenHost = {
    ...host,
    open() {
      // A closed one is kept too: libxenctrl has its own words for it on stderr, once is enough.
      door ??= enter(host);
      if (door instanceof ClosedDoor) throw door;
      return door;
    },
  };
  const service = (): readonly string[] => {
    const found = enter(own);
    if (found instanceof ClosedDoor) return [found.message];
    return [...found.tried, `Xen's calls are made through ${found.calls.servedBy}`];
  };
  return {
    name: "xen",
    get evidence() {
      const only = "Xen takes segments that were laid out here: -s and -a are as -c";
      return [...evidence, ...service(), only];
    },
    probe: () => [probe(own)],
    attempts: (method) => kindsToTry(method, XEN_PLAN_KINDS),
    checkSupported: (purpose, action) => checkSupported(purpose, action, own),
    hostFacts: (linux) => own.readFacts(callsOf(own, noMemoryMap), linux),
    load: (plan) => load(segmentsOf(plan), own),
    unload: (purpose) => unload(purpose, own),
    loadedState: (purpose) => loadedState(purpose, own),
    exec: (purpose) => exec(purpose, own),
    loadJumpBack: () => void typeOf("preserve-context"),
    close() {
      if (door !== null && !(door instanceof ClosedDoor)) door.calls.close();
      door = null;
    },
  };
}
