/**
 * Memory that the running kernel keeps for the next one, though the firmware calls it RAM: a
 * pattern in persistent memory, a ramoops record, and soft-reserved memory outlive `-c -l`, `-e`.
 */

import { beforeAll, expect, test } from "bun:test";
import { buildKexec, KEXEC } from "../../scripts/build.ts";
import { MIB } from "../../src/core/address.ts";
import { overlaps, type Range, rangeOf } from "../../src/core/range.ts";
import { difference } from "../conformance/differences.ts";
import { cpio } from "./cpio.ts";
import { bootMachine, CONSOLE, debianKernel, type MachineRun } from "./machine.ts";
import { IN_VM, moduleFiles } from "./rig.ts";
import { expectSecondKernel } from "./second-kernel.ts";
import { VM_TIMEOUT, withLog } from "./with-log.ts";

/** All in the highest RAM, where segments go first. */
const MEMORY_MIB = 768;
const PMEM = rangeOf({ start: 704n * MIB, size: 48n * MIB });
const RAMOOPS = rangeOf({ start: 756n * MIB, size: 1n * MIB });
const SOFT_RESERVED = rangeOf({ start: 758n * MIB, size: 8n * MIB });
const KEPT = [PMEM, RAMOOPS, SOFT_RESERVED];

const mib = ({ start, end }: Range) => `${(end - start) / MIB}M`;
const MEMMAP = [
  `memmap=${mib(PMEM)}!${PMEM.start / MIB}M`,
  `memmap=${mib(RAMOOPS)}$${RAMOOPS.start / MIB}M`,
  `memmap=${mib(SOFT_RESERVED)}%${SOFT_RESERVED.start / MIB}M-1+0xefffffff`,
].join(" ");
const COMMAND_LINE = `${CONSOLE} second ${MEMMAP}`;

const RECORD = "a record that outlives this kernel";
/** max_reason=4 is KMSG_DUMP_SHUTDOWN, which kexec is. [linux include/linux/kmsg_dump.h] */
const DRIVERS = debianKernel("6.1")
  .persistentModules.map(({ name }) => `insmod /boot/modules/${name}.ko`)
  .join("\n")
  .replace(
    "ramoops.ko",
    `ramoops.ko mem_address=${RAMOOPS.start} mem_size=${1n * MIB} record_size=65536 max_reason=4`,
  );
/** The disk comes up on its own, some time after its driver, and its number is the kernel's. */
const FIND_DISK = `
disk=
for i in 1 2 3 4 5 6 7 8 9; do
	for one in /dev/pmem?; do [ -b "$one" ] && disk=$one; done
	[ -n "$disk" ] && break
	sleep 1
done`;
const PAGES = (SOFT_RESERVED.end - SOFT_RESERVED.start) / 4096n;
const AT_PAGE = SOFT_RESERVED.start / 4096n;

const SECOND = `
${DRIVERS}
${FIND_DISK}
mkdir -p /pstore && mount -t pstore pstore /pstore
say pmem "$(sha256sum <"$disk")"
say soft-reserved "$(dd if=/dev/mem bs=4096 skip=${AT_PAGE} count=${PAGES} 2>/dev/null | sha256sum)"
say ramoops "$(grep -l '${RECORD}' /pstore/dmesg-ramoops-0)"
say iomem "$(grep -cE ' : (Persistent Memory .legacy.|Soft Reserved)$' /proc/iomem)"
`;

const LOAD = `-c -l ${IN_VM.kernel} --initrd=/run/initrd --append='${COMMAND_LINE}'`;
const SCRIPT = `
cat ${IN_VM.initrd} /boot/more >/run/initrd
${DRIVERS}
${FIND_DISK}
dd if=/dev/urandom of="$disk" bs=1M count=${(PMEM.end - PMEM.start) / MIB} 2>/dev/null
dd if=/dev/urandom of=/run/soft bs=4096 count=${PAGES} 2>/dev/null
dd if=/run/soft of=/dev/mem bs=4096 seek=${AT_PAGE} conv=notrunc 2>/dev/null
sync
echo '${RECORD}' >/dev/kmsg
run iomem cat /proc/iomem
sha256sum <"$disk" >/run/digest
run pmem cat /run/digest
run soft sha256sum /run/soft
${IN_VM.kexecTools} -d ${LOAD} 2>&1 | grep -E 'segment.*mem' | sed 's/^/THEIRS /'
run unload kexec -c -u
run plan kexec ${LOAD} --dry-run
run plan-json kexec ${LOAD} --dry-run=json
run doctor kexec --doctor
run load kexec ${LOAD}
run exec kexec -e -x -y
`;

let machine: MachineRun;

beforeAll(async () => {
  buildKexec();
  const modules = moduleFiles(debianKernel("6.1").persistentModules);
  const more = Buffer.concat(cpio([{ path: "/second.sh", data: SECOND }, ...modules]));
  machine = await bootMachine({
    name: "kept-memory",
    kexec: KEXEC,
    caseScript: SCRIPT,
    memory: MEMORY_MIB,
    commandLine: MEMMAP,
    extraFiles: [...modules, { path: "/boot/more", data: more }],
  });
}, VM_TIMEOUT);

const check = (body: () => void) => () => withLog(machine, body);
const outputOf = (name: string): string => machine.runs.get(name)?.output ?? "";
const digestOf = (name: string): string => outputOf(name).trim();
const inKept = (range: Range) => KEPT.some((kept) => overlaps(kept, range));

test(
  "what is kept outlives the load and the start",
  check(() => {
    expectSecondKernel(machine, COMMAND_LINE);
    expect(digestOf("pmem")).toMatch(/^[0-9a-f]{64} +-$/);
    expect(machine.second.get("pmem")).toBe(digestOf("pmem"));
    expect(machine.second.get("soft-reserved")?.split(" ")[0]).toBe(digestOf("soft").split(" ")[0]);
    expect(machine.second.get("ramoops")).toBe("/pstore/dmesg-ramoops-0");
    expect(machine.second.get("iomem")).toBe("2");
  }),
);

test(
  "the next kernel gets the firmware's map all the same",
  check(() => {
    const map = (who: string) =>
      machine.lines.flatMap(({ text }) =>
        text.startsWith(`${who} e820=`) ? [text.slice(who.length)] : [],
      );
    // Of the first KiB, the vectors', the facts have nothing, as in kexec-tools.
    expect(map("SECOND")).toEqual(
      map("FIRST").map((line) => line.replace("0x0000000000000000-", "0x0000000000000400-")),
    );
    expect(map("SECOND").length).toBeGreaterThan(3);
  }),
);

test(
  "the plan and the doctor say how much RAM gets no segments",
  check(() => {
    const words = "57 MiB of the firmware's RAM get no segments";
    expect(outputOf("plan")).toContain(words);
    expect(outputOf("doctor")).toContain(words);
  }),
);

test(
  `${difference("kept-memory").id}: kexec-tools puts segments there`,
  check(() => {
    const lines = machine.lines.filter(({ text }) => text.startsWith("THEIRS segment"));
    const numbers = lines.map(({ text }) => BigInt(text.split("= ")[1] ?? ""));
    const theirs = numbers.flatMap((start, i) =>
      i % 2 === 0 ? [rangeOf({ start, size: numbers[i + 1] ?? 0n })] : [],
    );
    expect(theirs.some(inKept)).toBe(true);
    const [{ segments }] = JSON.parse(outputOf("plan-json")).attempts;
    const ours = segments.map(({ start, size }: { start: string; size: string }) =>
      rangeOf({ start: BigInt(start), size: BigInt(size) }),
    );
    expect(ours.filter(inKept)).toEqual([]);
  }),
);
