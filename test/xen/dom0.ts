/**
 * Runs the built file in a simulated PV dom0: a mount namespace with its own /sys, and a stand-in
 * for libxenctrl, or a /dev whose privcmd device is answered by a stand-in for the hypervisor. That
 * stand-in also blocks the calls that could stop this machine, so that `-e` and `-f` can be tested.
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

/** Makes the /sys of a dom0; `$1` is the hypervisor's version, or empty for none. */
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
 * Makes a /dev whose privcmd device is a copy of the file $TABLE, so that a mapping of the device
 * shows Xen's table of frames. /dev/zero takes the place of the hypercall device: a shared mapping
 * of it is new memory.
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
/** Replaces the loader's cache by an empty one, so that the loader finds no library. */
export const NO_CACHE = "printf '' > /sys/none; mount --bind /sys/none /etc/ld.so.cache\n";

/**
 * How the program reaches Xen:
 * - "stand-in": through the stand-in for libxenctrl;
 * - "debian": through this machine's libxenctrl, which kexec-tools depends on, and the device;
 * - "device": through the privcmd and hypercall devices, with --xen-direct;
 * - "memory": through the privcmd device without a hypercall device, as on kernels before 4.18, so
 *   that arguments are in locked memory; chosen by the program, because it finds no library.
 */
export type Way = "stand-in" | "debian" | "device" | "memory";

export interface Circumstances {
  readonly way?: Way;
  /** Version of the hypervisor in /sys; empty: /sys has no version. */
  readonly version?: string;
  /** `NAME:ERRNO:N`: the Nth call of NAME, from 0, fails. */
  readonly fail?: string;
  /** An image is loaded, and its status bit is set. */
  readonly loaded?: boolean;
  /** Xen has a crash region, and two CPUs. */
  readonly crashArea?: boolean;
  /** LD_LIBRARY_PATH, in place of the stand-in's directory. */
  readonly path?: string;
  readonly cwd?: string;
  /** Shell lines before the program. */
  readonly before?: string;
  /** Words before the program, such as strace's. They replace the stand-in for the hypervisor, so
   * that the device is not answered, and no command that starts a kernel is allowed. */
  readonly under?: readonly string[];
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The stand-in's log, without its lines about `failed`. */
  readonly log: readonly string[];
  /** Whether the call of `fail` was made and failed. */
  readonly failed: boolean;
}

export interface Dom0 {
  /** A directory for the test's files; `remove` deletes it. */
  readonly directory: string;
  readonly kernel: string;
  /** The directory with the stand-in for libxenctrl, and the path of the stand-in. */
  readonly libraries: string;
  readonly library: string;
  /** Call it in beforeAll(). */
  build(): void;
  /** Runs kexec. @throws Error for a command that starts a kernel without -x and -y */
  run(words: readonly string[], circumstances?: Circumstances): Ran;
  /** Call it in afterAll(). */
  remove(): void;
}

const FRAMES_OF_GUESTS = { from: 0x8000, to: 0x20000 };

/** 512 pages of Xen's table, for 1 GiB of machine memory, of which 128 MiB to 512 MiB are
 * guests'. */
function tableOfFrames(): Uint8Array {
  const table = new BigUint64Array(512 * 512).fill(2n ** 64n - 1n);
  for (let frame = FRAMES_OF_GUESTS.from; frame < FRAMES_OF_GUESTS.to; frame += 1) {
    table[frame] = BigInt(frame);
  }
  return new Uint8Array(table.buffer);
}

const STARTS = /^(?:-[a-z]*[ef]|--exec|--force)/;

/** Demands -x and -y, and the stand-in that blocks reboot(2), for commands that start a kernel: the
 * network stays up and disks are not synced even if one of the two fails. */
function checkHarmless(words: readonly string[], fenced: boolean): void {
  if (!words.some((word) => STARTS.test(word))) return;
  if (fenced && words.includes("-x") && words.includes("-y")) return;
  throw new Error(`${words.join(" ")}: needs -x, -y and the stand-in for the hypervisor`);
}

/** Shell lines, the hypervisor's version, and the first words of the command line. */
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

/** Not /tmp, because some tests mount another directory there. */
const SCRATCH_PARENT = "/var/tmp";

/** A simulated dom0 for the tests of one file. */
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

/** Parts of the messages where neither library nor device can be opened. */
export const NO_PRIVCMD = "There is no /dev/xen/privcmd: the module xen-privcmd creates it.";
export const NO_LAYOUT =
  "get_memory_ranges_xen: Failed to open Xen control interface\nCould not get memory layout\n";
