/** Any HostFacts that a machine could have, for property tests. */

import fc from "fast-check";
import { ADDRESS_END } from "../../src/core/address.ts";
import { textOf } from "../../src/core/bytes.ts";
import { ARCHITECTURES } from "../../src/model/architecture.ts";
import type { FactNote } from "../../src/model/fact-note.ts";
import type { HostFacts } from "../../src/model/host-facts.ts";
import { MEMORY_TYPES } from "../../src/model/memory.ts";

const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const u64 = fc.bigInt({ min: 0n, max: ADDRESS_END - 1n });
const u32 = fc.nat(0xffff_ffff);
const u16 = fc.nat(0xffff);
const u8 = fc.nat(0xff);
const byteString = fc.uint8Array({ maxLength: 40 }).map(textOf);

const range = fc
  .tuple(u64, fc.bigInt({ min: 0n, max: ADDRESS_END }))
  .map(([a, b]) => (a < b ? { start: a, end: b } : { start: b, end: a }));

const memoryRange = fc
  .tuple(range, fc.constantFrom(...MEMORY_TYPES))
  .map(([r, type]) => ({ ...r, type }));

const memoryMap = fc.record({
  source: fc.constantFrom("firmware-memmap" as const, "iomem" as const, "xen" as const),
  ranges: fc
    .array(memoryRange)
    .map((list) => list.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))),
});

const efi = fc.record({
  systab: fc.array(fc.record({ name: byteString, address: u64 })),
  fwVendor: orNull(u64),
  runtime: orNull(u64),
  configTable: orNull(u64),
  runtimeMap: fc.array(
    fc.record({ type: u32, physAddr: u64, virtAddr: u64, numPages: u64, attribute: u64 }),
  ),
});

const eddDevice = fc.record({
  device: u8,
  version: u8,
  interfaceSupport: u16,
  legacyMaxCylinder: u16,
  legacyMaxHead: u8,
  legacySectorsPerTrack: u8,
  rawData: fc.uint8Array({ maxLength: 74 }),
  mbrSignature: orNull(u32),
});

const bitField = fc.record({ offset: u32, length: u32 });

const framebuffer = fc.record({
  id: byteString,
  smemStart: u64,
  smemLen: u32,
  lineLength: u32,
  xres: u32,
  yres: u32,
  bitsPerPixel: u32,
  red: bitField,
  green: bitField,
  blue: bitField,
  transp: bitField,
});

const display = fc.record({
  framebuffers: fc.array(byteString),
  firmwareMemory: orNull(range),
  devices: fc.array(
    fc.record({
      path: byteString,
      bus: orNull(byteString),
      driver: orNull(byteString),
      drm: fc.boolean(),
      vga: fc.boolean(),
      memory: fc.array(range),
    }),
  ),
});

const note = fc.oneof(
  fc.record({
    source: fc.constantFrom("/proc/iomem" as const, "/sys/firmware/edd" as const),
    text: byteString,
  }),
  fc.constantFrom<FactNote>(
    { source: "Xen", text: "Xen does not report its version: Operation not permitted." },
    {
      source: "machine",
      text: "getrandom returned no random bytes for the next kernel's RNG seed.",
    },
  ),
);

const anyFacts = fc.record({
  format: fc.constant(1 as const),
  architecture: orNull(fc.constantFrom(...ARCHITECTURES)),
  machine: byteString,
  kernelRelease: byteString,
  kernelVersion: byteString,
  pageSize: fc.constantFrom(4096, 16384, 65536),
  memoryMap: orNull(memoryMap),
  systemRam: orNull(fc.array(range, { maxLength: 3 })),
  crashCma: fc.array(range),
  kho: orNull(fc.record({ scratch: orNull(fc.array(range)), kept: fc.array(range) })),
  memTotal: orNull(u64),
  crashRegions: fc.array(range),
  bootCommandLine: orNull(byteString),
  efi: orNull(efi),
  acpiRsdp: orNull(u64),
  x86_64: fc.record({
    bootParams: orNull(fc.uint8Array({ minLength: 4096, maxLength: 4096 })),
    edd: fc.array(eddDevice, { maxLength: 3 }),
    framebuffer: orNull(framebuffer),
    display: orNull(display),
    fiveLevelPaging: orNull(fc.boolean()),
    virtualBits: orNull(fc.constantFrom(48, 57)),
    encryptedMemory: orNull(fc.boolean()),
  }),
  kexec: fc.record({
    loaded: orNull(fc.boolean()),
    crashLoaded: orNull(fc.boolean()),
    crashSize: orNull(u64),
    loadDisabled: orNull(fc.boolean()),
    crashElfcorehdrSize: orNull(u64),
  }),
  lockdown: orNull(fc.constantFrom("none", "integrity", "confidentiality")),
  capabilities: orNull(u64),
  rngSeed: orNull(fc.uint8Array({ minLength: 32, maxLength: 32 })),
  planKinds: fc.subarray(["file", "segments"] as const),
  segmentRules: fc.record({
    countMax: fc.integer({ min: 1, max: 16 }),
    halfOfMemory: fc.boolean(),
    mapped: orNull(range),
    guestOwned: orNull(fc.array(range)),
  }),
  crashRules: fc.record({
    hotplug: fc.boolean(),
    needs: fc.subarray(["vmcoreinfo", "kernel-text"] as const),
    reservedWhere: orNull(byteString),
  }),
  xen: orNull(
    fc.record({
      version: byteString,
      capabilities: byteString,
      hypervisor: orNull(range),
    }),
  ),
  crash: orNull(
    fc.record({
      memory: fc.array(memoryRange),
      cpuNotes: fc.array(range),
      vmcoreinfo: orNull(range),
      dom0Vmcoreinfo: orNull(range),
      kernelText: orNull(fc.record({ physical: u64, virtual: u64, size: u64 })),
      pageOffset: u64,
    }),
  ),
  notes: fc.array(note),
});

export const arbitraryFacts: fc.Arbitrary<HostFacts> = anyFacts.map((facts) =>
  facts.architecture === "x86_64" ? facts : { ...facts, x86_64: null },
);
