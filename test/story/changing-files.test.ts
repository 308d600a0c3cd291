/** Files that are mapped, and that another process changes while they are read or loaded. */

import { describe, expect, test } from "bun:test";
import { KexecError } from "../../src/core/error.ts";
import type { LoadPlan } from "../../src/model/load-plan.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { LOADED, runWith, type Settings, UNSUPPORTED } from "./run-with.ts";

const BAD_ADDRESS = new KexecError({
  code: "kernel.kexec_load",
  message: "kexec_load failed: Bad address",
  exitStatus: 255,
});

/** What -l does besides opening. */
async function actionsOf(line: string, settings: Settings): Promise<readonly string[]> {
  const { actions, stderr, status } = await runWith(line, settings);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return actions.filter((action) => !action.startsWith("open") && action !== "sync");
}

function initrdOf(plan: LoadPlan | undefined): Uint8Array | undefined {
  return plan?.kind === "segments"
    ? plan.segments.find(({ role }) => role === "initrd")?.bytes
    : undefined;
}

describe("kexec_load", () => {
  test("a change before the load: planned again from a copy, loaded once", async () => {
    const actions = await actionsOf("-c -l K --initrd=I", {
      changing: { role: "initrd", during: "read" },
    });
    expect(actions).toEqual([
      ...["map kernel", "map initrd", "read kernel", "read initrd", "load segments"],
    ]);
  });

  test("a change during the load: unloaded, and loaded again from a copy", async () => {
    const actions = await actionsOf("-c -l K --initrd=I", {
      changing: { role: "initrd", during: "load" },
    });
    expect(actions).toEqual([
      ...["map kernel", "map initrd", "load segments", "unload normal segments"],
      ...["read kernel", "read initrd", "load segments"],
    ]);
  });

  test("a crash kernel is unloaded as such", async () => {
    const settings: Settings = {
      crashRegion: true,
      changing: { role: "kernel", during: "load" },
    };
    expect(await actionsOf("-c -p K", settings)).toEqual([
      ...["map kernel", "load segments", "unload crash segments"],
      ...["read kernel", "load segments"],
    ]);
  });

  test("the second plan is made of the copy, digest and all", async () => {
    const first = new Uint8Array(9000).fill(1);
    const { plans } = await runWith("-c -l K --initrd=I", {
      changing: { role: "initrd", during: "load", first },
    });
    expect(plans.map((plan) => initrdOf(plan)?.[0])).toEqual([1, 0]);
    const [before, after] = plans.map((plan) =>
      plan.kind === "segments" ? plan.segments.find(({ role }) => role === "initrd") : undefined,
    );
    expect(before?.digest).not.toBeNull();
    expect(after?.digest).not.toEqual(before?.digest ?? null);
  });

  test("what is no image while it changes is read again", async () => {
    const settings: Settings = {
      changing: { role: "kernel", during: "read", first: new Uint8Array(100_000) },
    };
    expect(await actionsOf("-c -l K --initrd=I", settings)).toEqual([
      ...["map kernel", "map initrd", "read kernel", "read initrd", "load segments"],
    ]);
  });

  test("what is opened after a change is copied at once", async () => {
    // The magic number of xz, and nothing behind it.
    const first = Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ...Array(100).fill(0)]);
    const settings: Settings = {
      compressed: true,
      changing: { role: "kernel", during: "read", first },
    };
    expect(await actionsOf("-c -l K --initrd=I", settings)).toEqual([
      ...["map kernel", "expand", "read kernel", "expand", "read initrd", "load segments"],
    ]);
  });

  test("what is no image after that is refused", async () => {
    const { status, actions, stderr } = await runWith("-c -l K", {
      kernel: new Uint8Array(100_000),
      changing: { role: "kernel", during: "read", first: makeBzImage() },
    });
    expect(stderr).toStartWith("Cannot determine the file type of K\n");
    expect(status).toBe(255);
    expect(actions).toEqual(["open kernel", "map kernel", "read kernel"]);
  });

  test("a compressed kernel is extracted from the copy", async () => {
    const settings: Settings = {
      compressed: true,
      changing: { role: "kernel", during: "load" },
    };
    expect(await actionsOf("-c -l K", settings)).toEqual([
      ...["map kernel", "expand", "load segments", "unload normal segments"],
      ...["read kernel", "expand", "load segments"],
    ]);
  });

  test("a load that fails because of the change is repeated", async () => {
    const settings: Settings = {
      outcomes: [BAD_ADDRESS, LOADED],
      changing: { role: "initrd", during: "load" },
    };
    expect(await actionsOf("-c -l K --initrd=I", settings)).toEqual([
      ...["map kernel", "map initrd", "load segments"],
      ...["read kernel", "read initrd", "load segments"],
    ]);
  });

  test("a load that fails for another reason is not", async () => {
    const { status, stderr, actions } = await runWith("-c -l K", { outcomes: [BAD_ADDRESS] });
    expect(stderr).toBe("kexec_load failed: Bad address\n");
    expect(status).toBe(255);
    expect(actions.filter((action) => action.startsWith("load"))).toEqual(["load segments"]);
  });

  test("an unload that fails is the error, and nothing is loaded after it", async () => {
    const { status, stderr, actions } = await runWith("-c -l K", {
      changing: { role: "kernel", during: "load" },
      unloadFails: new KexecError({
        code: "kernel.unload",
        message: "kexec unload failed: Device or resource busy",
        exitStatus: 255,
      }),
    });
    expect(stderr).toBe("kexec unload failed: Device or resource busy\n");
    expect(status).toBe(255);
    expect(actions.slice(-2)).toEqual(["load segments", "unload normal segments"]);
  });

  test("-d says it", async () => {
    const { stderr } = await runWith("-c -d -l K", {
      changing: { role: "kernel", during: "load" },
    });
    expect(stderr).toContain("a file changed while it was loaded");
  });
});

describe("kexec_file_load, which reads the files by itself", () => {
  test("a change before the load: the image is recognised from a copy", async () => {
    const settings: Settings = { changing: { role: "kernel", during: "read" } };
    expect(await actionsOf("-s -l K", settings)).toEqual([
      "map kernel",
      "read kernel",
      "load file",
    ]);
  });

  test("a change during the load concerns the kernel alone", async () => {
    const settings: Settings = { changing: { role: "kernel", during: "load" } };
    expect(await actionsOf("-s -l K", settings)).toEqual(["map kernel", "load file"]);
  });

  test("-a goes on to kexec_load with a copy", async () => {
    const settings: Settings = {
      outcomes: [UNSUPPORTED, LOADED],
      changing: { role: "kernel", during: "load" },
    };
    expect(await actionsOf("-l K", settings)).toEqual([
      ...["map kernel", "load file", "read kernel", "load segments"],
    ]);
  });
});

test("--dry-run shows the copy", async () => {
  const { stdout, actions } = await runWith("-c -l --dry-run K --initrd=I", {
    changing: { role: "initrd", during: "read", first: new Uint8Array(70_000) },
  });
  expect(actions.slice(-3)).toEqual(["map initrd", "read kernel", "read initrd"]);
  expect(stdout).toContain("0x2328");
});
