/**
 * An initrd that another process changes while it is loaded, on several file systems: what the
 * running kernel got is a complete version of it, or nothing; and the next kernel, which is started
 * from a load that had to be repeated, finds the version that was loaded.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { runCommand } from "../../scripts/command.ts";
import { DISK_MODULES } from "../../scripts/kernels.ts";
import { hexOf } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/core/digest.ts";
import { CHANGES, SHORTER, versionsOf, wordsOf } from "../built/stepped-load.ts";
import { cpio } from "./cpio.ts";
import { bootMachine, CONSOLE, debianKernel, type MachineRun } from "./machine.ts";
import { IN_VM, moduleFiles, smallInitrd, withLibraries } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

const COMMAND_LINE = `${CONSOLE} second`;
const MIB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), "onekexec-mapped-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the second kernel says of its initrd. */
const SECOND = `
say version "$(cat /version)"
say data "$(sha256sum </data | cut -d ' ' -f 1)"
`;
const data = versionsOf(3 * MIB);
const small = smallInitrd();

/** An initrd that says which version it is: all are of the same size, and begin alike. */
function initrd(version: "old" | "new"): Uint8Array {
  const more = cpio([
    { path: "/second.sh", data: SECOND },
    { path: "/version", data: version },
    { path: "/data", data: data[version] },
  ]);
  return new Uint8Array(Buffer.concat([small, ...more]));
}
const OLD = initrd("old");

/**
 * Shell functions: `fresh` makes the initrd anew; `try CHANGE STEP WORDS...` is a load during which
 * it is changed, and a line that says what came of it; what is loaded stays so.
 */
const FUNCTIONS = `
for module in ${DISK_MODULES.join(" ")} overlay squashfs; do insmod /boot/modules/$module.ko; done
cp /boot/old /run/old
cp /boot/new /run/new
(cat /run/old; echo more) >/run/longer
head -c ${SHORTER} /run/old >/run/shorter
fresh() { cp /run/old "$file"; }
try() {
	change=$1 step=$2
	shift 2
	fresh
	${IN_VM.kexecTools} -u
	step-load -W 1000 -o /run/out -i "$file" -n $step "$@" ${IN_VM.onekexec} -c -l ${IN_VM.kernel} \\
		--initrd="$file" --append="${COMMAND_LINE}" >/run/said 2>/run/errors
	rc=$?
	version=none
	[ -e /run/out ] && version=mixture
	for one in old new longer shorter; do
		[ -e /run/out ] && cmp -s /run/out /run/$one && version=$one
	done
	echo "TRY place=$place change=$change step=$step rc=$rc loaded=$(cat /sys/kernel/kexec_loaded)" \\
		"version=$version $(sed 's/ /=/' /run/said | tr '\\n' ' ')"
	sed "s/^/ERROR $place $change $step: /" /run/errors
}
`;

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");
const TRIES = CHANGES.map(
  (change, i) => (step: number | "load") =>
    `try ${i} ${step} ${quoted(wordsOf(change, "/bin/step-load", "/run/new"))}`,
);

/** Every change at each of the `steps`. */
const matrix = (steps: readonly (number | "load")[]): string =>
  TRIES.flatMap((at) => steps.map(at)).join("\n");

/** A change during the last load, and what was loaded is started. */
const REWRITE = CHANGES.findIndex(({ name }) => name === "rewritten in place");
const FINISH = `
${TRIES[REWRITE]?.("load")}
run changed cmp "$file" /run/new
run exec kexec -e -x -y
`;

/** Options of a disk, whose contents are in the file `path`. */
const plain = (path: string): string => `file=${path},format=raw,cache=unsafe`;

function ext4Disk(): string {
  const disk = join(folder, "ext4");
  runCommand("Make a disk", ["mke2fs", "-q", "-t", "ext4", disk, "64M"]);
  return plain(disk);
}

/** A folder with the initrd, from which disks are made. */
function rootWithInitrd(): string {
  const root = join(folder, "root");
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "initrd"), OLD);
  return root;
}

/** An ext4 of blocks of 4 KiB, with the initrd, of which a block in the middle cannot be read. */
function badDisk(): string {
  const disk = join(folder, "bad");
  const flags = ["-q", "-t", "ext4", "-b", "4096", "-d", rootWithInitrd()];
  runCommand("Make a disk", ["mke2fs", ...flags, disk, "64M"]);
  const blocks = runCommand("Look into it", ["debugfs", "-R", "blocks /initrd", disk]).split(" ");
  const sector = Number(blocks[blocks.length >> 1]) * 8;
  const error = "file.inject-error.0.event=read_aio,file.inject-error.0.errno=5";
  const image = `file.image.driver=file,file.image.filename=${disk}`;
  return `driver=raw,file.driver=blkdebug,${image},${error},file.inject-error.0.sector=${sector}`;
}

function squashfsDisk(): string {
  const disk = join(folder, "squashfs");
  const words = ["mksquashfs", rootWithInitrd(), disk, "-quiet", "-no-progress"];
  runCommand("Make a squashfs", words);
  return plain(disk);
}

/** A disk that is nothing but the initrd. */
function plainDisk(): string {
  const disk = join(folder, "plain");
  writeFileSync(disk, OLD);
  return plain(disk);
}

interface Case {
  readonly name: string;
  readonly script: string;
  /** Each makes one, and returns QEMU's options of it. */
  readonly disks: readonly (() => string)[];
}

const CASES: readonly Case[] = [
  {
    name: "ext4",
    disks: [ext4Disk, badDisk],
    script: `place=ext4 file=/mnt/initrd
mkdir /bad && mount -t ext4 -o ro /dev/vdb /bad
run bad kexec -c -l ${IN_VM.kernel} --initrd=/bad/initrd
mkdir /mnt && mount -t ext4 /dev/vda /mnt
${matrix([4, 9, "load"])}
${FINISH}`,
  },
  {
    name: "tmpfs",
    disks: [],
    script: `place=tmpfs file=/mnt/initrd
mkdir /mnt && mount -t tmpfs tmpfs /mnt
${matrix([9, "load"])}
${FINISH}`,
  },
  {
    name: "overlayfs",
    disks: [squashfsDisk, plainDisk],
    script: `mkdir /lower /upper /mnt
mount -t squashfs /dev/vda /lower
place=squashfs file=/lower/initrd
fresh() { :; }
try none load -c :
place=device file=/dev/vdb
fresh() { dd if=/run/old of="$file" bs=64k 2>/dev/null; }
${TRIES[REWRITE]?.("load")}
place=overlayfs file=/mnt/initrd
mount -t tmpfs tmpfs /upper && mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /mnt
fresh() { :; }
try none load -c :
fresh() { rm "$file"; cp /run/old "$file"; }
${matrix([10, "load"])}
${FINISH}`,
  },
];

/** A line of `try`. */
interface Try {
  readonly place: string;
  /** null: none. */
  readonly change: number | null;
  readonly status: number;
  readonly isLoaded: boolean;
  readonly version: string;
  readonly loads: number;
  readonly waited: boolean;
}

function triesOf({ lines }: MachineRun): Try[] {
  return lines.flatMap(({ text }) => {
    if (!text.startsWith("TRY ")) return [];
    const words = new Map(
      text.split(" ").map((word) => word.split("=") as [string, string | undefined]),
    );
    const [change, place = "", version = ""] = ["change", "place", "version"].map((name) =>
      words.get(name),
    );
    return {
      place,
      change: change === "none" ? null : Number(change),
      status: Number(words.get("rc")),
      isLoaded: words.get("loaded") === "1",
      version,
      loads: Number(words.get("loads")),
      waited: words.get("waited") === "1",
    };
  });
}

const machines = new Map<string, MachineRun>();

beforeAll(async () => {
  buildKexec();
  const stepLoad = join(folder, "step-load");
  const source = join(import.meta.dir, "../built/step-load.c");
  execFileSync("gcc", ["-O1", "-static", "-o", stepLoad, source]);
  await Promise.all(
    CASES.map(async ({ name, script, disks }) => {
      const machine = await bootMachine({
        name: `mapped-files-${name}`,
        kexec: KEXEC,
        caseScript: `${FUNCTIONS}\n${script}`,
        timeoutSeconds: 900,
        extraFiles: [
          ...moduleFiles(debianKernel("6.1").fileSystemModules),
          ...withLibraries("/bin/step-load", stepLoad),
          { path: "/boot/old", data: OLD },
          { path: "/boot/new", data: initrd("new") },
        ],
        qemuArguments: disks.flatMap((make) => [...["-drive", `if=virtio,${make()}`]]),
      });
      machines.set(name, machine);
    }),
  );
}, VM_TIMEOUT);

function machineOf(name: string): MachineRun {
  const machine = machines.get(name);
  if (machine === undefined) throw new Error(`no machine ${name}`);
  return machine;
}

/** Where a file is mapped under a lease. */
const LEASED = ["ext4", "tmpfs", "squashfs"];

/** Whether what came of it is what may come of it. */
function isRight({ place, change, status, isLoaded, version, waited }: Try): boolean {
  const { versions = ["old"], isHeldOff = true } = change === null ? {} : (CHANGES[change] ?? {});
  if (status === 0) return isLoaded && versions.some((one) => one === version);
  // A writer that was not held off but slow was still writing.
  const mayRefuse = !isHeldOff || waited || !LEASED.includes(place);
  return mayRefuse && change !== null && !isLoaded && version === "none";
}

describe.each(CASES.map(({ name }) => name))("%s", (name) => {
  test("what is loaded is a complete version, or nothing", () => {
    const machine = machineOf(name);
    withLog(machine, () => {
      const tries = triesOf(machine);
      expect(tries.length).toBeGreaterThan(12);
      expect(tries.filter((one) => !isRight(one))).toEqual([]);
    });
  });

  test("the next kernel has the version that was loaded, though the file is another", () => {
    const machine = machineOf(name);
    withLog(machine, () => {
      expect(machine.runs.get("changed")?.status).toBe(0);
      expectSecondKernel(machine, COMMAND_LINE);
      expect(machine.second.get("version")).toBe("old");
      expect(machine.second.get("data")).toBe(hexOf(sha256(data.old)));
    });
  });
});

test("a file that cannot be read is an error in kexec-tools' words", () => {
  const machine = machineOf("ext4");
  withLog(machine, () => {
    expect(machine.runs.get("bad")).toMatchObject({
      status: 1,
      output: "Read on /bad/initrd failed: Input/output error\nCannot read /bad/initrd\n",
    });
  });
});

describe("a process that writes", () => {
  const atLoad = (name: string, place: string): Try | undefined =>
    triesOf(machineOf(name)).findLast((one) => one.place === place && one.change === REWRITE);

  test.each(["ext4", "tmpfs"])("waits for the load, which is repeated, on %s", (name) => {
    expect(atLoad(name, name)).toMatchObject({ waited: true, loads: 2, version: "old" });
  });

  test.each(["overlayfs", "device"])("does not wait on %s, of which a copy is loaded", (place) => {
    expect(atLoad("overlayfs", place)).toMatchObject({ waited: false, loads: 1, version: "old" });
  });
});
