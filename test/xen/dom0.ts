/**
 * The built file in what looks like a PV dom0: a mount namespace with a /sys of the test's own, and
 * a stand-in for libxenctrl, or a /dev whose privcmd device a stand-in for the hypervisor answers.
 * What could stop this machine is refused to the program, so that `-e` and `-f` can be tried.
 */

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { buildHypervisor, buildStandIn } from "./stand-in.ts";

/** What dom0 looks like; `$1` is the hypervisor's version, or nothing. */
const DOM0 = `
set -e
mount -t tmpfs tmpfs /sys && mkdir -p /sys/hypervisor/properties /sys/hypervisor/version
echo xen > /sys/hypervisor/type; echo PV > /sys/hypervisor/guest_type
echo 228f0 > /sys/hypervisor/properties/features
if [ -n "$1" ]; then
  echo "\${1%.*}" > /sys/hypervisor/version/major; echo "\${1#*.}" > /sys/hypervisor/version/minor
fi
shift
`;

/**
 * A /dev with a privcmd device, which is the file $table: what is mapped of it is the table of
 * frames. /dev/zero gives fresh memory that is shared, as the hypercall device does.
 */
const DEVICES = `
mkdir -p /sys/dev/xen
for name in null zero random urandom; do
  touch "/sys/dev/$name"; mount --bind "/dev/$name" "/sys/dev/$name"
done
cp "$TABLE" /sys/dev/xen/privcmd
`;
const HYPERCALL_DEVICE = `
touch /sys/dev/xen/hypercall; mount --bind /dev/zero /sys/dev/xen/hypercall
`;
const MOUNT_DEVICES = "mount --rbind /sys/dev /dev\n";
/** No library is known to the loader. */
export const NO_CACHE = "printf '' > /sys/none; mount --bind /sys/none /etc/ld.so.cache\n";

/**
 * Which way to Xen there is:
 * - "stand-in" for libxenctrl;
 * - "debian": the libxenctrl of this machine, which kexec-tools needs, and with it the device;
 * - "device", which is asked for;
 * - "memory": the device of a kernel before 4.18, which has no memory for hypercalls, so that it
 *   must be locked; it is come to because there is no library.
 */
export type Way = "stand-in" | "debian" | "device" | "memory";

export interface Circumstances {
  readonly way?: Way;
  /** Of the hypervisor, as sysfs has it; empty: it has none. */
  readonly version?: string;
  /** `NAME:ERRNO:N`: the Nth call of NAME, from 0, fails. */
  readonly fail?: string;
  /** An image is loaded, and its mark is up. */
  readonly loaded?: boolean;
  /** Xen has an area for a crash kernel, and two CPUs. */
  readonly crashArea?: boolean;
  /** LD_LIBRARY_PATH, in place of the stand-in's directory. */
  readonly path?: string;
  readonly cwd?: string;
  /** Shell lines before the program. */
  readonly before?: string;
  /** Words before the program, such as strace's: then no stand-in answers a device, and nothing
   * that starts a kernel can be run. */
  readonly under?: readonly string[];
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the stand-in saw, without the next. */
  readonly log: readonly string[];
  /** Whether what was to fail did. */
  readonly failed: boolean;
}

export interface Dom0 {
  /** For what a test makes; removed at the end. */
  readonly directory: string;
  readonly kernel: string;
  /** Where the stand-in for libxenctrl lies, and its path there. */
  readonly libraries: string;
  readonly library: string;
  /** For beforeAll(). */
  build(): void;
  /** Runs kexec. @throws Error for what starts a kernel and might take the network down first */
  run(words: readonly string[], circumstances?: Circumstances): Ran;
  /** For afterAll(). */
  remove(): void;
}

const FRAMES_OF_GUESTS = { from: 0x8000, to: 0x20000 };

/** 512 pages of the table of frames, for one GiB: 128 MiB to 512 MiB of it belong to guests. */
function tableOfFrames(): Uint8Array {
  const table = new BigUint64Array(512 * 512).fill(2n ** 64n - 1n);
  for (let frame = FRAMES_OF_GUESTS.from; frame < FRAMES_OF_GUESTS.to; frame += 1) {
    table[frame] = BigInt(frame);
  }
  return new Uint8Array(table.buffer);
}

const STARTS = /^(?:-[a-z]*[ef]|--exec|--force)/;

/** The fence is a second one: the program is asked, too, to leave network and disks alone. */
function checkHarmless(words: readonly string[], fenced: boolean): void {
  if (!words.some((word) => STARTS.test(word))) return;
  if (fenced && words.includes("-x") && words.includes("-y")) return;
  throw new Error(`${words.join(" ")}: -x and -y must be there, and the fence`);
}

/** Shell lines, the hypervisor's version, and words before the others. */
function setupOf(way: Way): readonly [string, string, ...string[]] {
  switch (way) {
    case "stand-in":
      return ["", "4.17"];
    case "debian":
      return [DEVICES + HYPERCALL_DEVICE + MOUNT_DEVICES, debianVersion()];
    case "device":
      return [DEVICES + HYPERCALL_DEVICE + MOUNT_DEVICES, "4.17", "--xen-direct"];
    case "memory":
      return [DEVICES + MOUNT_DEVICES + NO_CACHE, "4.99"];
  }
}

/** The version in the name of this machine's libxenctrl. @throws where there is none */
function debianVersion(): string {
  const known = execFileSync("/sbin/ldconfig", ["-p"], { encoding: "latin1" });
  const [, version] = /\blibxenctrl\.so\.(\d+\.\d+) /.exec(known) ?? [];
  if (version === undefined) throw new Error("there is no libxenctrl here: install kexec-tools");
  return version;
}

/** Not in /tmp, which some tests replace; the tree and what is built there may be. */
const SCRATCH_PARENT = "/var/tmp";

/** A machine for the tests of one file. */
export function makeDom0(): Dom0 {
  const directory = mkdtempSync(join(SCRATCH_PARENT, "onekexec-dom0-"));
  const at = (name: string) => join(directory, name);
  const [log, kernel, table] = [at("log"), at("kernel"), at("table")];
  const [kexec, libraries, hypervisor] = [at("kexec"), at("libraries"), at("hypervisor")];
  const library = join(libraries, "libxenctrl.so.4.17");
  return {
    directory,
    kernel,
    libraries,
    library,
    build() {
      buildKexec();
      copyFileSync(KEXEC, kexec);
      mkdirSync(libraries);
      buildStandIn(library);
      buildHypervisor(hypervisor);
      writeFileSync(kernel, makeBzImage());
      writeFileSync(table, tableOfFrames());
    },
    run(words, circumstances = {}) {
      const { way = "stand-in", fail, before = "", under } = circumstances;
      checkHarmless(words, under === undefined);
      const [setup, ownVersion, ...first] = setupOf(way);
      const version = circumstances.version ?? ownVersion;
      rmSync(log, { force: true });
      const script = `${DOM0}${setup}${before}\nexec "$@"`;
      const program = [...(under ?? [hypervisor]), kexec, ...first, ...words];
      const ran = Bun.spawnSync(["unshare", "-m", "sh", "-c", script, "sh", version, ...program], {
        cwd: circumstances.cwd ?? directory,
        env: {
          PATH: process.env.PATH ?? "",
          LD_LIBRARY_PATH: circumstances.path ?? (way === "stand-in" ? libraries : ""),
          TABLE: table,
          STAND_IN_LOG: log,
          ...(fail === undefined ? {} : { STAND_IN_FAIL: fail }),
          ...(circumstances.loaded ? { STAND_IN_LOADED: "1" } : {}),
          ...(circumstances.crashArea ? { STAND_IN_CRASH: "1" } : {}),
        },
        stdin: "ignore",
        timeout: 60_000,
        killSignal: "SIGKILL",
      });
      const lines = existsSync(log) ? readFileSync(log, "latin1").split("\n").filter(Boolean) : [];
      return {
        status: ran.exitCode,
        stdout: ran.stdout.toString("latin1"),
        stderr: ran.stderr.toString("latin1"),
        log: lines.filter((line) => !line.startsWith("failed ")),
        failed: lines.some((line) => line.startsWith("failed ")),
      };
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** What is said where no way to Xen was found. */
export const NO_PRIVCMD = "There is no /dev/xen/privcmd: the module xen-privcmd creates it.";
export const NO_LAYOUT =
  "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout\n";
