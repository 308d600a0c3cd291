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

/** What the backend needs of the machine; tests give their own. */
export interface XenHost {
  /** Opened once, when first needed. @throws XenUnavailable */
  open(): OpenedXen;
  /** @throws KexecError `xen.memory-map` */
  readFacts(calls: XenCalls, linux: HostFacts): HostFacts;
  addressOf(bytes: Uint8Array): bigint;
  strerror(errno: number): string;
}

/** Xen's own numbers by what an image is loaded for. */
interface XenPurpose {
  readonly type: KexecType;
  /** kexec-tools' flags for it, which its message shows. */
  readonly shownFlags: number;
  /** Not every Xen has it. */
  readonly optional: boolean;
  /** It begins in Xen after the call that starts it has returned. */
  readonly startsLater: boolean;
}

const AT_ONCE = { optional: false, startsLater: false };

/** null: Xen has no such purpose. */
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

/** @throws KexecError `xen.preserve-context` for the purpose that Xen does not have */
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

/** The way to Xen, or why there is none. */
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

/** Xen's calls. @throws KexecError kexec-tools' line where there is no way to Xen, and why */
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

/** So that the mark is down before a load, and up after it. A Xen without the call has no mark. */
function takeMarkDown(calls: XenCalls, type: KexecType): number {
  return calls.status(type) > 0 ? calls.unload(type) : 0;
}

/** What kexec-tools says where a load ends because of it. */
const noMemoryMap = (): string =>
  "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout";

function load(plan: SegmentPlan, host: XenHost): LoadOutcome {
  const { type } = xenPurpose(plan.purpose);
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

/** What can be known, and how well. */
const MARK_UP =
  "Xen reports an image. Xen's status bit toggles with every load and unload; " +
  "other tools can invert it.";
const MARK_DOWN =
  "Xen reports no image. Xen's status bit toggles with every load and unload; " +
  "other tools can invert it.";

function loadedState(purpose: ImagePurpose, host: XenHost): LoadedState {
  const opened = tryOpen(host);
  if (opened instanceof XenUnavailable) return { loaded: null, doubt: whyUnavailable(opened) };
  const status = opened.calls.status(xenPurpose(purpose).type);
  if (status >= 0) return { loaded: status > 0, doubt: status > 0 ? MARK_UP : MARK_DOWN };
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

/** The network is down by the time an image is started, so what can be known is asked before. */
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

/** Asked for the range that every Xen with kexec tells. */
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

/** @param evidence why this backend was chosen */
export function xenBackend(host: XenHost, evidence: readonly string[]): Backend {
  let opened: OpenedXen | XenUnavailable | null = null;
  const own: XenHost = {
    ...host,
    open() {
      // A failure is kept too: libxenctrl has its own words for it on stderr, once is enough.
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
