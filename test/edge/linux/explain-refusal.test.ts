import { afterAll, describe, expect, test } from "bun:test";
import { explainRefusal, type RefusalEvidence } from "../../../src/edge/linux/explain-refusal.ts";
import { readRefusalEvidence } from "../../../src/edge/linux/read-refusal-evidence.ts";
import { fakeRoot, LINUX, removeFakeRoots } from "./fake-machine.ts";

afterAll(removeFakeRoots);

const EPERM = 1;
const ROOT: RefusalEvidence = {
  capabilities: 0x1ffffffffffn,
  lockdown: "none",
  loadDisabled: false,
  loadsLeft: null,
};

const never = (): RefusalEvidence => {
  throw new Error("the machine was looked at");
};

describe("EPERM", () => {
  test.each([
    ["no capability", { capabilities: 0n }, "kexec_load", "CAP_SYS_BOOT"],
    ["every capability but that", { capabilities: ~(1n << 22n) }, "exec", "CAP_SYS_BOOT"],
    ["loading is off", { loadDisabled: true }, "kexec_file_load", "kexec_load_disabled"],
    ["no load left", { loadsLeft: 0n }, "kexec_load", "kexec_load_limit_panic"],
    ["loads left", { loadsLeft: 3n }, "kexec_load", "LSM (SELinux, IMA)"],
    ["locked down", { lockdown: "integrity" }, "kexec_load", "Try -s:"],
    ["locked down", { lockdown: "confidentiality" }, "unload", "Try -s -u."],
    ["locked down", { lockdown: "integrity" }, "kexec_file_load", "signed by a key"],
    ["nothing of that", {}, "kexec_load", "LSM (SELinux, IMA)"],
    ["nothing known", { capabilities: null, lockdown: null }, "kexec_load", "LSM (SELinux, IMA)"],
    ["loading is off, which exec ignores", { loadDisabled: true }, "exec", "LSM (SELinux, IMA)"],
  ] as const)("%s (%p), %s", (_name, parts, call, hint) => {
    expect(explainRefusal(EPERM, call, "crash", () => ({ ...ROOT, ...parts }))).toContain(hint);
  });
});

describe("other errors need no look at the machine", () => {
  test.each([
    [38, "kexec_load", "normal", "CONFIG_KEXEC. With CONFIG_KEXEC_FILE"],
    [38, "kexec_file_load", "normal", "CONFIG_KEXEC_FILE:"],
    [38, "file-unload", "normal", "CONFIG_KEXEC_FILE:"],
    [16, "kexec_load", "normal", "try again"],
    [12, "kexec_load", "normal", "memory"],
    [99, "kexec_load", "crash", "crashkernel="],
    [99, "kexec_load", "normal", "machine's memory"],
    [22, "exec", "normal", "No image is loaded"],
    [22, "kexec_load", "preserve-context", "CONFIG_KEXEC_JUMP"],
    [13, "kexec_load", "normal", "Try -s, with a kernel that is signed."],
    [13, "kexec_file_load", "normal", "signed by a key"],
    [61, "kexec_file_load", "normal", "no signature"],
    [126, "kexec_file_load", "normal", "does not know the key"],
    [129, "kexec_file_load", "normal", "signature is wrong"],
    [128, "kexec_file_load", "normal", "revoked"],
    [127, "kexec_file_load", "normal", "expired"],
    [65, "kexec_file_load", "normal", "kind of signature"],
    [80, "kexec_file_load", "normal", "cannot be read"],
    [74, "kexec_file_load", "normal", "cannot be read"],
    [90, "kexec_file_load", "normal", "cannot be read"],
  ] as const)("%i %s %s", (errno, call, purpose, hint) => {
    expect(explainRefusal(errno, call, purpose, never)).toContain(hint);
  });

  test.each([22, 5, 9999])("%i of kexec_load has no hint", (errno) => {
    expect(explainRefusal(errno, "kexec_load", "normal", never)).toBeUndefined();
  });
});

test("no hint has more than three lines, or lines that a terminal breaks", () => {
  const calls = ["kexec_load", "kexec_file_load", "unload", "file-unload", "exec"] as const;
  const looks: RefusalEvidence[] = [
    ROOT,
    { ...ROOT, capabilities: 0n },
    { ...ROOT, lockdown: "confidentiality" },
    { ...ROOT, loadDisabled: true },
    { ...ROOT, loadsLeft: 0n },
  ];
  for (const call of calls) {
    for (let errno = 1; errno < 140; errno += 1) {
      for (const look of looks) {
        const lines = explainRefusal(errno, call, "crash", () => look)?.split("\n") ?? [];
        expect(lines.length).toBeLessThanOrEqual(3);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
      }
    }
  }
});

describe("readRefusalEvidence", () => {
  test("of a machine", () => {
    const root = fakeRoot(LINUX, {
      "proc/sys/kernel/kexec_load_limit_panic": "2\n",
      "proc/sys/kernel/kexec_load_limit_reboot": "-1\n",
    });
    const common = {
      capabilities: 0x1ffffffffffn,
      lockdown: "integrity" as const,
      loadDisabled: false,
    };
    expect(readRefusalEvidence("crash", root)).toEqual({ ...common, loadsLeft: 2n });
    expect(readRefusalEvidence("normal", root)).toEqual({ ...common, loadsLeft: null });
  });

  test("of a machine that shows nothing", () => {
    expect(readRefusalEvidence("crash", fakeRoot())).toEqual({
      capabilities: null,
      lockdown: null,
      loadDisabled: null,
      loadsLeft: null,
    });
  });
});
