/**
 * What a well-formed request to do something is. `run.ts` checks each by it before it acts; texts
 * to print (`-v`, `-h`) need no check, and never load this file.
 *
 * Texts are byte strings; addresses are `bigint`.
 */

import * as z from "zod/mini";
import { ADDRESS_END } from "../core/address.ts";
import { isByteString } from "../core/bytes.ts";
import { IMAGE_PURPOSES } from "./load-plan.ts";

const address = z.bigint().check(z.gte(0n), z.lt(ADDRESS_END));
const byteString = z.string().check(z.refine(isByteString));

/** How a loaded image reaches the kernel: `-s`, `-c`, `-a`. */
export const LoadMethod = z.enum(["file", "segments", "auto"]);
export type LoadMethod = z.infer<typeof LoadMethod>;

/** What happens, in this order: status, unload, load, shutdown, sync, ifdown, exec,
 * jumpBack. */
export const Steps = z.object({
  status: z.boolean(),
  unload: z.boolean(),
  load: z.boolean(),
  /** Run `shutdown -r now`, which ends in `kexec -e`. */
  shutdown: z.boolean(),
  sync: z.boolean(),
  ifdown: z.boolean(),
  exec: z.boolean(),
  /** Load what jumps back to the kernel that was preserved. */
  jumpBack: z.boolean(),
});
export type Steps = z.infer<typeof Steps>;

/** What the image's own loader takes. */
export const LoaderRequest = z.object({
  /** `--command-line`, `--append`; null: not given. */
  commandLine: z.nullable(byteString),
  reuseCommandLine: z.boolean(),
  initrd: z.nullable(byteString),
  /** `--args-elf`, `--args-linux`, `--args-none`; null: what the image type thinks best. */
  argumentStyle: z.nullable(z.enum(["elf", "linux", "none"])),
  /** `--module`, in order: a path, then perhaps a blank and the module's arguments. */
  modules: z.array(byteString),
  realMode: z.boolean(),
  /** `--entry-32bit` */
  entry32Bit: z.boolean(),
  /** A device tree blob's path. */
  dtb: z.nullable(byteString),
  /** The long names of the loader options that were given, each once, as they were written. */
  given: z.array(z.string()),
});
export type LoaderRequest = z.infer<typeof LoaderRequest>;

/** What the purgatory does to the console of the machine (x86). */
export const ConsoleRequest = z.object({
  resetVga: z.boolean(),
  vga: z.boolean(),
  serial: z.boolean(),
  /** I/O port, below 0x10000. */
  serialBase: z.int().check(z.gte(0), z.lt(0x10000)),
  /** 0: leave the port's speed alone. */
  serialBaud: z.int().check(z.gte(0), z.lte(115200)),
});
export type ConsoleRequest = z.infer<typeof ConsoleRequest>;

/** How Xen is reached, where the machine has one. */
export const XenRequest = z.object({
  /** `--xen-library`, an absolute path; null: look for libxenctrl. */
  library: z.nullable(byteString.check(z.startsWith("/"))),
  /** `--xen-direct` */
  direct: z.boolean(),
});
export type XenRequest = z.infer<typeof XenRequest>;

export const RunRequest = z.object({
  action: z.literal("run"),
  steps: Steps,
  purpose: z.enum(IMAGE_PURPOSES),
  method: LoadMethod,
  /** The first operand. */
  kernel: z.nullable(byteString),
  /** `-t`; null: find out. */
  type: z.nullable(byteString),
  loader: LoaderRequest,
  console: ConsoleRequest,
  /** Lowest and highest usable address, both inclusive. */
  memMin: address,
  memMax: address,
  /** `-i` */
  skipChecks: z.boolean(),
  debug: z.boolean(),
  noEfi: z.boolean(),
  reuseVideoType: z.boolean(),
  noCma: z.boolean(),
  forceDtb: z.boolean(),
  /** `--entry`: where the running kernel jumps to; 0: where the plan says. */
  entry: address,
  /** `--reuseinitrd` */
  reuseInitrd: z.boolean(),
  /** `--hotplug` */
  hotplug: z.boolean(),
  /** `--pass-memmap-cmdline` */
  passMemmapCmdline: z.boolean(),
  xen: XenRequest,
  /** `--print-ckr-size`: nothing else is done. */
  printCrashRegionSize: z.boolean(),
  /** `--dry-run`, `--dry-run=json`; null: act. */
  dryRun: z.nullable(z.enum(["text", "json"])),
  /** `--doctor`, `--doctor=json`: look at the machine and say what works; null: act. */
  doctor: z.nullable(z.enum(["text", "json"])),
  /** `--facts=FILE`, `--save-facts=FILE` */
  facts: z.nullable(byteString),
  saveFacts: z.nullable(byteString),
});
export type RunRequest = z.infer<typeof RunRequest>;
