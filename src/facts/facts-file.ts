/**
 * `HostFacts` as JSON text and back, for `--save-facts`, `--facts` and fixtures.
 *
 * The text is ASCII: numbers of 64 bits are "0x…" text, bytes are base64, characters of byte
 * strings above 0x7e are \u00XX. The RNG seed is a secret of this boot and is never written.
 *
 * This is the only file in facts/ that imports zod, so that a run without a facts file does not
 * load zod.
 */

import * as z from "zod/mini";
import { ADDRESS_END, hex } from "../core/address.ts";
import { isByteString } from "../core/bytes.ts";
import { fail } from "../core/error.ts";
import { normalize } from "../core/range.ts";
import { ARCHITECTURES } from "../model/architecture.ts";
import { type FactNote, type NoteSubject, noteOf, noteSentence } from "../model/fact-note.ts";
import type { HostFacts } from "../model/host-facts.ts";
import { MEMORY_TYPES } from "../model/memory.ts";
import { BOOT_PARAMS_SIZE, NO_X86_FACTS, type X86Facts } from "../model/x86-64.ts";
import { LINUX_CRASH_RULES, LINUX_PLAN_KINDS, LINUX_SEGMENT_RULES } from "./linux-rules.ts";

/** The version of HostFacts that is read and written. */
const FORMAT = 1;

const HEX_TEXT = "needed: text of the form 0x1f";
const hexText = z.string().check(z.regex(/^0x[0-9a-f]{1,17}$/, HEX_TEXT));

/** A number from 0 to `max`, both inclusive, as "0x…" text in JSON. */
const bigUint = (max: bigint) =>
  z.codec(hexText, z.bigint().check(z.gte(0n), z.lte(max)), {
    decode: (text) => BigInt(text),
    encode: (value) => hex(value),
  });
const u64 = bigUint(ADDRESS_END - 1n);

const uint = (bits: number) => z.int().check(z.gte(0), z.lte(2 ** bits - 1));
const byteString = z
  .string()
  .check(z.refine(isByteString, "has a character above \\u00ff; needed: bytes"));

/** An instance check with a clear type: `z.instanceof` would allow any kind of buffer. */
const bytes = z.codec(
  z.base64({ error: "needed: base64" }),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  {
    decode: (text) => new Uint8Array(Buffer.from(text, "base64")),
    encode: (value) => Buffer.from(value).toString("base64"),
  },
);

const ORDERED = "needed: end not below start";
const end = bigUint(ADDRESS_END);
const range = z.strictObject({ start: u64, end }).check(z.refine((r) => r.start <= r.end, ORDERED));
const memoryRange = z
  .strictObject({ start: u64, end, type: z.enum(MEMORY_TYPES) })
  .check(z.refine((r) => r.start <= r.end, ORDERED));

const memoryMap = z.strictObject({
  source: z.enum(["firmware-memmap", "iomem", "xen"]),
  ranges: z
    .array(memoryRange)
    .check(
      z.refine(
        (ranges) => ranges.every((r, i) => i === 0 || (ranges[i - 1]?.start ?? 0n) <= r.start),
        "needed: ranges sorted by start",
      ),
    ),
});

const efi = z.strictObject({
  systab: z.array(z.strictObject({ name: byteString, address: u64 })),
  fwVendor: z.nullable(u64),
  runtime: z.nullable(u64),
  configTable: z.nullable(u64),
  runtimeMap: z.array(
    z.strictObject({
      type: uint(32),
      physAddr: u64,
      virtAddr: u64,
      numPages: u64,
      attribute: u64,
    }),
  ),
});

const eddDevice = z.strictObject({
  device: uint(8),
  version: uint(8),
  interfaceSupport: uint(16),
  legacyMaxCylinder: uint(16),
  legacyMaxHead: uint(8),
  legacySectorsPerTrack: uint(8),
  rawData: bytes,
  mbrSignature: z.nullable(uint(32)),
});

const bitField = z.strictObject({ offset: uint(32), length: uint(32) });

const framebuffer = z.strictObject({
  id: byteString,
  smemStart: u64,
  smemLen: uint(32),
  lineLength: uint(32),
  xres: uint(32),
  yres: uint(32),
  bitsPerPixel: uint(32),
  red: bitField,
  green: bitField,
  blue: bitField,
  transp: bitField,
});

const display = z.strictObject({
  framebuffers: z.array(byteString),
  firmwareMemory: z.nullable(range),
  devices: z.array(
    z.strictObject({
      path: byteString,
      bus: z.nullable(byteString),
      driver: z.nullable(byteString),
      drm: z.boolean(),
      vga: z.boolean(),
      memory: z.array(range),
    }),
  ),
});

const kexecState = z.strictObject({
  loaded: z.nullable(z.boolean()),
  crashLoaded: z.nullable(z.boolean()),
  crashSize: z.nullable(u64),
  loadDisabled: z.nullable(z.boolean()),
  crashElfcorehdrSize: z.nullable(u64),
});

const segmentRules = z.strictObject({
  countMax: z.int().check(z.gte(1), z.lte(2 ** 16)),
  halfOfMemory: z.boolean(),
  mapped: z.nullable(range),
  settled: z.nullable(z.array(range)),
});

const crashRules = z.strictObject({
  hotplug: z.boolean(),
  needs: z.array(z.enum(["vmcoreinfo", "kernel-text"])),
  reservedWhere: z.nullable(byteString),
});

const xen = z.strictObject({
  version: byteString,
  capabilities: byteString,
  hypervisor: z.nullable(range),
});

const kho = z.strictObject({ scratch: z.nullable(z.array(range)), kept: z.array(range) });

const crash = z.strictObject({
  memory: z.array(memoryRange),
  cpuNotes: z.array(range),
  vmcoreinfo: z.nullable(range),
  // Files of earlier versions lack this field.
  dom0Vmcoreinfo: z._default(z.nullable(range), null),
  kernelText: z.nullable(z.strictObject({ physical: u64, virtual: u64, size: u64 })),
  pageOffset: u64,
});

const factsFile = z.strictObject({
  format: z.literal(FORMAT),
  architecture: z.nullable(z.enum(ARCHITECTURES)),
  machine: byteString,
  kernelRelease: byteString,
  kernelVersion: byteString,
  pageSize: z
    .int()
    .check(z.refine((n) => n >= 1 && Number.isInteger(Math.log2(n)), "needed: a power of two")),
  memoryMap: z.nullable(memoryMap),
  // Files of earlier versions do not have it.
  systemRam: z.optional(z.nullable(z.array(range))),
  kho: z._default(z.nullable(kho), null),
  memTotal: z.nullable(u64),
  crashRegions: z.array(range),
  crashCma: z._default(z.array(range), []),
  bootCommandLine: z.nullable(byteString),
  bootParams: z.nullable(
    bytes.check(
      z.refine((b) => b.length === BOOT_PARAMS_SIZE, `needed: ${BOOT_PARAMS_SIZE} bytes`),
    ),
  ),
  efi: z.nullable(efi),
  acpiRsdp: z.nullable(u64),
  edd: z.array(eddDevice),
  framebuffer: z.nullable(framebuffer),
  kexec: kexecState,
  lockdown: z.nullable(z.enum(["none", "integrity", "confidentiality"])),
  capabilities: z.nullable(u64),
  // Files of earlier versions lack these nine fields, kho and crashCma.
  display: z._default(z.nullable(display), null),
  fiveLevelPaging: z._default(z.nullable(z.boolean()), null),
  virtualBits: z._default(z.nullable(z.int()), null),
  encryptedMemory: z._default(z.nullable(z.boolean()), null),
  crash: z._default(z.nullable(crash), null),
  planKinds: z._default(z.array(z.enum(["file", "segments"])), [...LINUX_PLAN_KINDS]),
  segmentRules: z._default(segmentRules, {
    countMax: LINUX_SEGMENT_RULES.countMax,
    halfOfMemory: LINUX_SEGMENT_RULES.halfOfMemory,
    mapped: null,
    settled: null,
  }),
  crashRules: z._default(crashRules, {
    ...LINUX_CRASH_RULES,
    needs: [...LINUX_CRASH_RULES.needs],
  }),
  xen: z._default(z.nullable(xen), null),
  notes: z.array(byteString),
});

/** `HostFacts` as format 1 stores it. The compiler checks both directions: a field of HostFacts
 * without a line in the schema above does not compile, nor does the reverse. */
interface Written
  extends Omit<HostFacts, "rngSeed" | "x86_64" | "systemRam" | "segmentRules" | "notes">,
    X86Facts {
  readonly systemRam?: HostFacts["systemRam"] | undefined;
  readonly segmentRules: Omit<HostFacts["segmentRules"], "guestOwned"> & {
    readonly settled: HostFacts["segmentRules"]["guestOwned"];
  };
  readonly notes: readonly string[];
}
type Mutable<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer E)[]
    ? Mutable<E>[]
    : T extends object
      ? { -readonly [K in keyof T]: Mutable<T[K]> }
      : T;

/** Converts facts to format 1, which has x86's facts at the top level: it is older than the support
 * for a second architecture. */
function toWritten({ rngSeed: _secret, x86_64, ...facts }: HostFacts): Written {
  const { guestOwned: settled, ...rules } = facts.segmentRules;
  return {
    ...facts,
    ...(x86_64 ?? NO_X86_FACTS),
    segmentRules: { ...rules, settled },
    notes: facts.notes.map(noteSentence),
  };
}

/** Files of earlier versions have it only where they have what a dump is made of. */
function systemRamOf({ systemRam, memoryMap, crash }: Written): HostFacts["systemRam"] {
  if (systemRam !== undefined) return systemRam;
  if (crash === null || memoryMap?.source === "xen") return null;
  return normalize(crash.memory.filter(({ type }) => type === "ram"));
}

function fromWritten(written: Written): HostFacts {
  const { bootParams, edd, framebuffer, display, ...others } = written;
  const { fiveLevelPaging, virtualBits, encryptedMemory, ...facts } = others;
  const cpu = { fiveLevelPaging, virtualBits, encryptedMemory };
  const own: X86Facts = { bootParams, edd, framebuffer, display, ...cpu };
  const { settled: guestOwned, ...rules } = facts.segmentRules;
  return {
    ...facts,
    x86_64: facts.architecture === "x86_64" ? own : null,
    systemRam: systemRamOf(written),
    segmentRules: { ...rules, guestOwned },
    notes: facts.notes.map(readNote),
    rngSeed: null,
  };
}

/** The subjects of notes that do not begin with a file's path; the first pattern that matches
 * counts. Format 1 stores only the sentence. */
const SUBJECT_OF: readonly (readonly [RegExp, NoteSubject])[] = [
  [/\/memmap|\/iomem/, "memory map"],
  [/crash_notes/, "CPU notes"],
  [/vmcoreinfo/, "vmcoreinfo"],
  [/kcore|kernel physical|kernel is mapped/, "kernel text"],
  [/^Xen |belongs to guests/, "Xen"],
];

function readNote(sentence: string): FactNote {
  const [, subject = "machine"] = SUBJECT_OF.find(([words]) => words.test(sentence)) ?? [];
  return noteOf(sentence, subject);
}

/**
 * The facts as ASCII JSON, indented, with a last newline; without the RNG seed.
 * @throws RangeError for facts outside the schema, which is a bug in the code that read them
 */
export function factsToJson(facts: HostFacts): string {
  const written = toWritten(facts) as Mutable<Written>;
  const encoded = z.safeEncode(factsFile, written, { reportInput: true });
  if (!encoded.success) {
    const [field, problem] = firstProblem(encoded.error.issues);
    throw new RangeError(`facts cannot be written: ${field}: ${problem}`);
  }
  const json = JSON.stringify(encoded.data, null, 2);
  // The newlines of the indentation are the only characters below 0x20 that JSON.stringify leaves.
  const ascii = json.replace(
    /[^\n -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${ascii}\n`;
}

type Issues = readonly z.core.$ZodIssue[];

/** The path of the first wrong field, such as `memoryMap.ranges[3].start`, and what is wrong with
 * it. */
function firstProblem(issues: Issues): [field: string, problem: string] {
  const [issue] = issues;
  if (issue === undefined) return ["facts", "unknown"];
  const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]] : issue.path;
  const field = path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
  return [field === "" ? "facts" : field, describe(issue)];
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code !== "unrecognized_keys" && issue.input === undefined) return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `needed: ${issue.expected}`;
    case "invalid_value":
      return `needed: ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "too_small":
      return `is below ${issue.minimum}`;
    case "too_big":
      return `is above ${issue.maximum}`;
    case "unrecognized_keys":
      return "is not a field of facts";
    default:
      return issue.message;
  }
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail({
      code: "facts.file",
      message: `${source}: not JSON`,
      hint: "Facts files are written by --save-facts.",
      cause,
    });
  }
}

/**
 * The facts in a text that `factsToJson` made, or that a person wrote in the same form. `rngSeed`
 * is null.
 *
 * @param source the file's name, for errors
 * @throws KexecError `facts.format` for another version of the format; `facts.file` for a text that
 *   is not JSON or not facts: the message names the first wrong field
 */
export function factsFromJson(text: string, source = "facts file"): HostFacts {
  const json = parseJson(text, source);
  const format = typeof json === "object" && json !== null && "format" in json ? json.format : null;
  if (format !== FORMAT) {
    fail({
      code: "facts.format",
      message:
        format === null
          ? `${source}: no "format": this is not a facts file`
          : `${source}: format is ${JSON.stringify(format).slice(0, 40)}, ` +
            `only ${FORMAT} is understood`,
      hint: "Facts files are written by --save-facts, and read by the same version or a later one.",
    });
  }
  const decoded = z.safeDecode(factsFile, json as z.input<typeof factsFile>, { reportInput: true });
  if (decoded.success) return fromWritten(decoded.data);
  const [field, problem] = firstProblem(decoded.error.issues);
  return fail({ code: "facts.file", message: `${source}: ${field}: ${problem}` });
}
