/** Unified kernel images, taken apart on their way to a plan. Nothing is loaded. */

import { afterAll, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { humanSize } from "../../src/core/address.ts";
import { difference } from "../conformance/differences.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { makeDtb } from "../images/make-dtb.ts";
import { makeUki } from "../images/make-uki.ts";
import { FACTS, KEXEC, makeScratch, run } from "./built-file.ts";

const scratch = makeScratch();
afterAll(() => rmSync(scratch, { recursive: true }));

const kernel = makeBzImage();
const sections = { ".cmdline": "from inside", ".initrd": "an initrd", ".linux": kernel };

function file(name: string, bytes: Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  return path;
}

const image = file("uki.efi", makeUki(sections));
const initrd = file("initrd", new Uint8Array(5000).fill(7));

interface Shown {
  readonly imageType: string;
  readonly commandLine: string;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
  readonly kernel?: { readonly path: string; readonly takenOut?: boolean };
  readonly segments?: readonly { readonly role: string; readonly bytes: string }[];
}

function planned(...words: readonly string[]): Shown {
  const { status, stdout, stderr } = run([
    KEXEC,
    "-l",
    "--dry-run=json",
    `--facts=${FACTS}`,
    ...words,
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout).attempts[0];
}

const initrdSize = ({ segments }: Shown): number =>
  Number(segments?.find(({ role }) => role === "initrd")?.bytes);

describe(difference("uki").id, () => {
  test.each(["-c", "-s"])("%s takes the kernel, the initrd and the command line", (method) => {
    const plan = planned(method, image);
    expect(plan).toMatchObject({ imageType: "bzImage64", commandLine: "from inside" });
    expect(plan.notes[0]).toBe(`uki: .linux ${humanSize(kernel.length)}, .initrd 9 bytes`);
    if (method === "-s") expect(plan.kernel).toMatchObject({ path: image, takenOut: true });
    if (method === "-c") expect(initrdSize(plan)).toBe(9);
  });

  test("an option replaces the part in the image", () => {
    const mine = planned("-c", image, "--append=mine");
    expect(mine.commandLine).toBe("mine");
    expect(mine.notes).toContain(
      "the command line in the image is not used: an option replaces it",
    );
    expect(planned("-c", image, "--append=").commandLine).toBe("");
    expect(initrdSize(planned("-c", image, `--initrd=${initrd}`))).toBe(5000);
  });

  test("kexec_load passes its device tree on, and kexec_file_load warns that it cannot", () => {
    const path = file("tree.efi", makeUki({ ...sections, ".dtb": makeDtb("inside") }));
    const note = (of: string) => expect.stringContaining(`The device tree of ${of} is passed on: `);
    expect(planned("-c", path).notes).toContainEqual(note(path));
    const tree = file("tree", makeDtb("given"));
    expect(planned("-c", path, `--dtb=${tree}`).notes).toContainEqual(note(tree));
    const words = "kexec_file_load cannot pass on the device tree in the image (.dtb)";
    expect(planned("-s", path).warnings).toEqual([
      `${words}: the next kernel boots without it; kexec_load (-c) passes it on`,
    ]);
    const { status, stdout, stderr } = run([
      ...[KEXEC, "-a", "-l", "--dry-run=json", `--facts=${FACTS}`, path],
    ]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `kexec_file_load is not tried: ${words}\n`,
    });
    expect(JSON.parse(stdout).attempts).toMatchObject([{ call: "kexec_load" }]);
  });

  test("-t uki names it, and nothing else", () => {
    expect(planned("-c", "-t", "uki", image).imageType).toBe("bzImage64");
    const { status, stderr } = run([
      ...[KEXEC, "-l", "-c", "-t", "uki", "--dry-run", `--facts=${FACTS}`],
      file("kernel", kernel),
    ]);
    expect(status).toBe(255);
    expect(stderr).toStartWith("Wrong file type uki, file matches type bzImage64\n");
  });

  test("the kernel inside, and the whole, may be compressed", () => {
    const inner = { ...sections, ".linux": new Uint8Array(gzipSync(kernel)) };
    const path = file("compressed.efi", new Uint8Array(gzipSync(makeUki(inner))));
    const plan = planned("-c", path);
    expect(plan).toMatchObject({ imageType: "bzImage64", commandLine: "from inside" });
    expect(plan.notes.map((note) => note.split(/[:,]/, 1)[0]).slice(0, 3)).toEqual([
      "gzip",
      "uki",
      "gzip",
    ]);
  });

  test("what is inside is judged under its own name", () => {
    const stub = makeUki({ ".text": "no kernel" });
    const inside = "Of the kernel in the uki image: ";
    for (const [name, bytes, message, hint] of [
      ["stub.efi", makeUki({ ".linux": stub }), "Cannot determine the file type of", inside],
      [
        ...["damaged.efi", makeUki({ ".linux": new Uint8Array(gzipSync(kernel)).subarray(0, 40) })],
        ...["Cannot determine the file type of", `${inside}gzip: `],
      ],
      [
        ...["short.efi", makeUki({ ".linux": kernel.subarray(0, 3000) })],
        ...["Cannot load", `${inside}bzImage64: the file is cut short`],
      ],
      [
        ...["stub.gz", new Uint8Array(gzipSync(stub))],
        ...["Cannot determine the file type of", "Of what the file expands to: "],
      ],
    ] as const) {
      const path = file(name, bytes);
      const { status, stderr } = run([KEXEC, "-l", "-c", "--dry-run", `--facts=${FACTS}`, path]);
      expect(status).toBe(255);
      expect(stderr).toStartWith(`${message} ${path}\n${hint}`);
    }
  });

  test("one that is cut short is refused with the section", () => {
    const path = file("cut.efi", makeUki(sections).subarray(0, 0x500));
    const { status, stderr } = run([KEXEC, "-l", "-c", "--dry-run", `--facts=${FACTS}`, path]);
    expect(status).toBe(255);
    expect(stderr).toStartWith(`Cannot load ${path}\nuki: `);
  });
});
