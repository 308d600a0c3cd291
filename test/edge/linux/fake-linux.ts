/** A fake Linux: its kexec calls record their arguments and return the given error numbers. */

import { strerror } from "../../../src/edge/ffi/libc.ts";
import type { LinuxHost } from "../../../src/edge/linux/host.ts";
import type { KexecSegment } from "../../../src/edge/linux/kexec-calls.ts";
import type { KexecState } from "../../../src/model/host-facts.ts";
import type { FilePlan, Segment, SegmentPlan } from "../../../src/model/load-plan.ts";

export interface Call {
  readonly name: "kexec_load" | "kexec_file_load" | "reboot";
  readonly flags?: number;
  readonly entry?: bigint;
  readonly segments?: readonly KexecSegment[];
  readonly memory?: readonly Uint8Array[];
  readonly fds?: readonly [number, number];
  readonly commandLine?: Uint8Array | null;
}

const NOTHING_KNOWN: KexecState = {
  loaded: null,
  crashLoaded: null,
  crashSize: null,
  loadDisabled: null,
  crashElfcorehdrSize: null,
};

export interface FakeLinux {
  readonly host: LinuxHost;
  readonly calls: Call[];
}

/** @param answers error number of each call in turn; 0 for success, as do all calls after these */
export function fakeLinux(
  answers: readonly number[] = [],
  parts: {
    state?: Partial<KexecState>;
    architecture?: LinuxHost["architecture"];
    available?: bigint;
  } = {},
): FakeLinux {
  const calls: Call[] = [];
  const answer = (call: Call): number => {
    calls.push(call);
    return -(answers[calls.length - 1] ?? 0);
  };
  let next = 0x7f0000000000n;
  const host: LinuxHost = {
    architecture: parts.architecture === undefined ? "x86_64" : parts.architecture,
    explain: (errno, call, purpose) => `hint: ${errno} ${call} ${purpose}`,
    availableMemory: () => parts.available ?? null,
    readKexecState: () => ({ ...NOTHING_KNOWN, ...parts.state }),
    calls: {
      strerror,
      addressOf(bytes) {
        if (bytes.length === 0) return 0n;
        next += 0x1000n;
        return next;
      },
      kexecLoad: (entry, segments, memory, flags) =>
        answer({ name: "kexec_load", entry, segments, memory, flags }),
      kexecFileLoad: (kernelFd, initrdFd, commandLine, flags) =>
        answer({ name: "kexec_file_load", fds: [kernelFd, initrdFd], commandLine, flags }),
      rebootKexec: () => answer({ name: "reboot" }),
    },
  };
  return { host, calls };
}

export function segment(start: bigint, size: bigint, bytes: Uint8Array): Segment {
  return { role: "kernel", start, size, bytes, digest: null, reason: "a test" };
}

export function segmentPlan(parts: Partial<SegmentPlan> = {}): SegmentPlan {
  return {
    kind: "segments",
    purpose: "normal",
    architecture: "x86_64",
    imageType: "bzImage64",
    entry: 0x3ffd7760n,
    segments: [
      segment(0x100000n, 0x1000n, new Uint8Array(0x30)),
      segment(0x3c000000n, 0x3f98000n, new Uint8Array(0x1234)),
    ],
    commandLine: "quiet",
    debug: false,
    hotplug: false,
    notes: [],
    warnings: [],
    ...parts,
  };
}

export function filePlan(parts: Partial<FilePlan> = {}): FilePlan {
  return {
    kind: "file",
    purpose: "normal",
    architecture: "x86_64",
    imageType: "bzImage64",
    kernel: { path: "/boot/vmlinuz", fd: 5, size: 100n },
    initrd: { path: "/boot/initrd", fd: 6, size: 100n },
    commandLine: "quiet",
    debug: false,
    noCma: false,
    forceDtb: false,
    notes: [],
    warnings: [],
    ...parts,
  };
}
