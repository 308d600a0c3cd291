/** Crash kernels by kexec_file_load, for which the running kernel makes the core header itself. */

import { describe, expect, test } from "bun:test";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import type { FilePlan } from "../../../src/model/load-plan.ts";
import type { LoadRequest } from "../../../src/model/request.ts";
import { buildFilePlan } from "../../../src/plan/build-plan.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { refusal } from "../../kexec-error.ts";
import { machine } from "../golden.ts";
import { loadRequest, NO_LOADER, planned } from "../requests.ts";

const MACHINE = machine("qemu-2g-vesa-edd-crash");
const KERNEL = { path: "/boot/vmlinuz", bytes: makeBzImage() };

function plan(request: Partial<LoadRequest>, facts: HostFacts = MACHINE): FilePlan {
  const kernel = { path: KERNEL.path, fd: 3, size: BigInt(KERNEL.bytes.length) };
  const files = { kernel, initrd: null };
  return planned(
    buildFilePlan(loadRequest({ purpose: "crash", ...request }), facts, KERNEL, () => files),
  );
}

const withLine = (commandLine: string): Partial<LoadRequest> => ({
  loader: { ...NO_LOADER, commandLine },
});

test("the command line is the requested one: the kernel itself adds elfcorehdr=", () => {
  expect(plan({})).toMatchObject({ purpose: "crash", commandLine: "root=/dev/vda1 quiet" });
  expect(plan({}).notes.join()).toContain("kexec_file_load builds elfcorehdr itself");
  expect(plan({ purpose: "normal" }).notes.join()).not.toContain("elfcorehdr");
});

test("a crash region that is too small causes a warning", () => {
  // The kernel takes 1 MiB, its init_size, which is more than its file.
  const region = (mib: bigint) => [{ start: 0x6e000000n, end: 0x6e000000n + (mib << 20n) }];
  expect(plan({}, { ...MACHINE, crashRegions: region(33n) }).warnings).toEqual([]);
  const { warnings } = plan({}, { ...MACHINE, crashRegions: region(32n) });
  expect(warnings.join()).toStartWith("the crash region is too small: 31 MiB are left of the 32 M");
  expect(plan({ purpose: "normal" }, { ...MACHINE, crashRegions: [] }).warnings).toEqual([]);
});

test("without root= an initrd may take half of the memory when it is unpacked", () => {
  const warnings = (commandLine: string, region: bigint): readonly string[] => {
    const crashRegions = [{ start: 0x40000000n, end: 0x40000000n + (region << 20n) }];
    const kernel = { path: KERNEL.path, fd: 3, size: 1n };
    const request = loadRequest({ purpose: "crash", ...withLine(commandLine) });
    const initrd = { path: "/boot/initrd", fd: 4, size: 100n << 20n };
    const plan = buildFilePlan(request, { ...MACHINE, crashRegions }, KERNEL, () => ({
      kernel,
      initrd,
    }));
    return planned(plan).warnings;
  };
  // The kernel takes 1 MiB.
  expect(warnings("quiet", 301n)).toEqual([]);
  expect(warnings("quiet", 300n).join()).toContain("needs at least 200 MiB to unpack its initrd");
  expect(warnings("quiet root=/dev/vda1", 233n)).toEqual([]);
  expect(warnings("quiet root=/dev/vda1", 232n).join()).toContain("needs at least 132 MiB to");
});

test("notes name the options that have no effect", () => {
  const notes = plan({ passMemmapCmdline: true, hotplug: true }).notes.join();
  expect(notes).toContain("--pass-memmap-cmdline has no effect");
  expect(notes).toContain("--hotplug has no effect");
});

test("--reuse-cmdline leaves crashkernel= out", () => {
  const loader = { ...NO_LOADER, commandLine: "x", reuseCommandLine: true };
  const facts = { ...MACHINE, bootCommandLine: "BOOT_IMAGE=/k a crashkernel=256M b" };
  expect(plan({ loader }, facts).commandLine).toBe("a b x");
});

describe("refuses", () => {
  test("where no memory is reserved", () => {
    const error = refusal(() => plan({}, { ...MACHINE, crashRegions: [] }));
    expect(error).toMatchObject({ code: "plan.no-crash-region", exitStatus: 1 });
  });

  // cmdline_size is 2047 and counts the NUL; the kernel wants 30 bytes for `elfcorehdr=0x… `.
  test("a command line that leaves no room for the kernel's own parameter", () => {
    expect(plan(withLine("x".repeat(2016))).commandLine).toHaveLength(2016);
    const error = refusal(() => plan(withLine("x".repeat(2017))));
    expect(error).toMatchObject({ message: "Command line overflow", exitStatus: 1 });
    expect(error.hint).toContain("2047 bytes, this kernel takes at most 2046");
    expect(plan({ purpose: "normal", ...withLine("x".repeat(2017)) }).commandLine).toHaveLength(
      2017,
    );
  });
});
