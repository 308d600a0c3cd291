/**
 * The Xen backend: in a PV dom0 the hypervisor keeps and starts the next kernel.
 *
 * Xen's status call does not report whether an image is loaded. It reports a bit that toggles with
 * each load and each unload, also with an unload when nothing is loaded. [xen xen/common/kexec.c
 * kexec_swap_images, kexec_status] So this backend keeps the bit right: if the bit is set, it
 * unloads before it loads; if the bit is still set after an unload, it unloads once more.
 * Afterwards the bit says whether an image is loaded, until another tool loads or unloads.
 */

import { EM_X86_64 } from "../../core/elf.ts";
import { ExitStatus, fail, KexecError } from "../../core/error.ts";
import type { Backend, HostProbe, LoadedState, LoadOutcome } from "../../model/backend.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { LoadPlan, SegmentPlan } from "../../model/load-plan.ts";
import { kindsToTry } from "../../model/plan-kinds.ts";
import type { ImagePurpose } from "../../model/purpose.ts";
import { failedLoad } from "../failed-load.ts";
import { Errno } from "../ffi/errno.ts";
import type { XenCalls } from "./calls.ts";
import { explainXen } from "./explain-refusal.ts";
import { type OpenedXen, XenUnavailable } from "./open.ts";
import { XEN_PLAN_KINDS } from "./read-facts.ts";
import { KexecRange, KexecType } from "./structs.ts";

/** The calls that the backend needs of the machine; tests pass their own. */
export interface XenHost {
  /** Opens Xen's calls. @throws XenUnavailable */
  open(): OpenedXen;
  /** @throws KexecError `xen.memory-map` */
  readFacts(calls: XenCalls, linux: HostFacts): HostFacts;
  addressOf(bytes: Uint8Array): bigint;
  strerror(errno: number): string;
}

/** Xen's numbers for one purpose of an image. */
interface XenPurpose {
  readonly type: KexecType;
  /** The flags that kexec-tools prints for the purpose when a load fails. */
  readonly shownFlags: number;
  /** Whether some versions of Xen do not have this type of image. */
  readonly optional: boolean;
  /** Whether the call that starts the image returns before Xen starts it. */
  readonly startsLater: boolean;
}

const AT_ONCE = { optional: false, startsLater: false };

/** null: Xen has no images for this purpose. */
const XEN_PURPOSES: Readonly<Record<ImagePurpose, XenPurpose | null>> = {
  normal: { type: KexecType.KEXEC_TYPE_DEFAULT, shownFlags: 0, ...AT_ONCE },
  crash: { type: KexecType.KEXEC_TYPE_CRASH, shownFlags: 1, ...AT_ONCE },
  "preserve-context": null,
  "live-update": {
    type: KexecType.KEXEC_TYPE_LIVE_UPDATE,
    shownFlags: 4,
    optional: true,
    startsLater: true,
  },
};

/** Xen's numbers for `purpose`. @throws KexecError `xen.preserve-context` for `preserve-context` */
function xenPurpose(purpose: ImagePurpose): XenPurpose {
  const found = XEN_PURPOSES[purpose];
  if (found !== null) return found;
  return fail({
    code: "xen.preserve-context",
    message: "--load-preserve-context is not possible under Xen",
    hint: "Xen's kexec cannot return to the kernel that was running before.",
    exitStatus: ExitStatus.failed,
  });
}

/** Opens Xen's calls, or returns the error that says why it cannot. */
function tryOpen(host: XenHost): OpenedXen | XenUnavailable {
  try {
    return host.open();
  } catch (error) {
    if (error instanceof XenUnavailable) return error;
    throw error;
  }
}

const whyUnavailable = ({ message, hint }: XenUnavailable): string =>
  [message, hint].filter(Boolean).join("\n");

/** Xen's calls.
 * @param line makes kexec-tools' message from the reason why Xen's calls cannot be opened
 * @throws KexecError `xen.open` with that message */
function callsOf(host: XenHost, line: (why: string) => string): XenCalls {
  const opened = tryOpen(host);
  if (!(opened instanceof XenUnavailable)) return opened.calls;
  throw new KexecError({
    code: opened.code,
    message: line(opened.why),
    hint: whyUnavailable(opened),
    exitStatus: ExitStatus.failed,
    cause: opened,
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
  const flags = (EM_X86_64 << 16) | xenPurpose(plan.purpose).shownFlags;
  return fail({
    code: "xen.load",
    message: failedLoad(host.strerror(errno), plan.entry, flags, shown),
    hint: hint ?? explainXen(errno, "load", plan.purpose),
    exitStatus: ExitStatus.failed,
  });
}

/** Clears the status bit by an unload if it is set, so that the load after it sets it. Xen versions
 * without the status call need nothing. Returns at least 0, or minus the error number. */
function clearStatusBit(calls: XenCalls, type: KexecType): number {
  return calls.status(type) > 0 ? calls.unload(type) : 0;
}

/** kexec-tools' message about a load without Xen's memory map. */
const noMemoryMap = (): string =>
  "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout";

function load(plan: SegmentPlan, host: XenHost): LoadOutcome {
  const { type } = xenPurpose(plan.purpose);
  const calls = callsOf(host, noMemoryMap);
  const cleared = clearStatusBit(calls, type);
  if (cleared < 0) failLoad(plan, -cleared, host);
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
      const what = segment === undefined ? "the hypercall's arguments" : `the ${segment.role}`;
      const hint =
        `dom0 has too little memory for a hypercall buffer for ${what}.\n` +
        "Free some, or use a smaller image: all segments are copied before the hypercall.";
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
  const { type } = xenPurpose(purpose);
  const calls = callsOf(host, (why) => `kexec unload failed: ${why}`);
  const once = (): void => {
    const status = calls.unload(type);
    if (status < 0) failed(-status, explainXen(-status, "unload", purpose));
  };
  once();
  if (calls.status(type) > 0) once();
}

/** The doubt about `LoadedState.loaded`, if the status bit is set. */
const BIT_SET =
  "Xen reports an image. Xen's status bit toggles with every load and unload; " +
  "other tools can invert it.";
/** The same if the status bit is clear. */
const BIT_CLEAR =
  "Xen reports no image. Xen's status bit toggles with every load and unload; " +
  "other tools can invert it.";

function loadedState(purpose: ImagePurpose, host: XenHost): LoadedState {
  const opened = tryOpen(host);
  if (opened instanceof XenUnavailable) return { loaded: null, doubt: whyUnavailable(opened) };
  const status = opened.calls.status(xenPurpose(purpose).type);
  if (status >= 0) return { loaded: status > 0, doubt: status > 0 ? BIT_SET : BIT_CLEAR };
  const old = status === -Errno.ENOSYS || status === -Errno.EINVAL;
  const why = old ? "this Xen has no status call" : host.strerror(-status);
  return { loaded: null, doubt: `Xen does not report whether an image is loaded: ${why}.` };
}

function failExec(errno: number, purpose: ImagePurpose, host: XenHost): never {
  return fail({
    code: "xen.exec",
    message: `kexec failed: ${host.strerror(errno)}`,
    hint: explainXen(errno, "exec", purpose),
    exitStatus: ExitStatus.failed,
  });
}

/** Checks that Xen can be called and knows the type of image, since `exec` itself comes after the
 * network is down and can no longer report an error remotely. */
function checkSupported(purpose: ImagePurpose, action: "load" | "exec", host: XenHost): void {
  const { type, optional } = xenPurpose(purpose);
  if (action === "load") return;
  const calls = callsOf(host, (why) => `kexec failed: ${why}`);
  const status = optional ? calls.status(type) : 0;
  if (status === -Errno.EINVAL) failExec(Errno.EINVAL, purpose, host);
}

function exec(purpose: ImagePurpose, host: XenHost): void {
  const { type, startsLater } = xenPurpose(purpose);
  const status = host.open().calls.exec(type);
  if (status >= 0 && startsLater) return;
  failExec(status < 0 ? -status : Errno.EIO, purpose, host);
}

function segmentsOf(plan: LoadPlan): SegmentPlan {
  if (plan.kind === "segments") return plan;
  throw new RangeError("a file plan for Xen, which loads segment plans only");
}

/** Whether Xen has kexec: asks for the hypervisor's own range, which every Xen with kexec
 * reports. */
function probe(host: XenHost): HostProbe {
  const common = { kind: "segments", call: "KEXEC_CMD_kexec_load" } as const;
  const opened = tryOpen(host);
  if (opened instanceof XenUnavailable) {
    return { ...common, works: false, why: opened.message, hint: opened.hint ?? null };
  }
  const range = opened.calls.getRange(KexecRange.KEXEC_RANGE_MA_XEN, 0);
  if (typeof range !== "number") return { ...common, works: true, why: null, hint: null };
  const hint = explainXen(-range, "load", "normal") ?? null;
  return { ...common, works: false, why: host.strerror(-range), hint };
}

/** The backend for a PV dom0 of Xen.
 * @param evidence the facts by which it was chosen, for `-d` */
export function xenBackend(host: XenHost, evidence: readonly string[]): Backend {
  let opened: OpenedXen | XenUnavailable | null = null;
  const own: XenHost = {
    ...host,
    open() {
      // A failure is kept too: libxenctrl prints its own message at each attempt.
      opened ??= tryOpen(host);
      if (opened instanceof XenUnavailable) throw opened;
      return opened;
    },
  };
  const service = (): readonly string[] => {
    const found = tryOpen(own);
    if (found instanceof XenUnavailable) return [found.message];
    return [...found.tried, `hypercalls go through ${found.calls.servedBy}`];
  };
  return {
    name: "xen",
    // Segments are copied into hypercall memory anyway, and to unload an image that Xen has put
    // together wrongly brings the hypervisor down.
    mapsFiles: false,
    get evidence() {
      const only = "Xen loads only segments that kexec itself has placed: -s and -a act as -c";
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
    loadJumpBack: () => void xenPurpose("preserve-context"),
    close() {
      if (opened !== null && !(opened instanceof XenUnavailable)) opened.calls.close();
      opened = null;
    },
  };
}
