import { afterAll, describe, expect, test } from "bun:test";
import { Errno } from "../../../src/edge/ffi/errno.ts";
import {
  explainRefusal,
  type KexecCall,
  type RefusalEvidence,
} from "../../../src/edge/linux/explain-refusal.ts";
import { readRefusalEvidence } from "../../../src/edge/linux/read-refusal-evidence.ts";
import type { ImagePurpose } from "../../../src/model/purpose.ts";
import { fakeRoot, LINUX, removeFakeRoots } from "./fake-machine.ts";

afterAll(removeFakeRoots);

const ROOT: RefusalEvidence = {
  capabilities: 0x1ffffffffffn,
  lockdown: "none",
  loadDisabled: false,
  loadsLeft: null,
  lockdownParameter: null,
  unreadable: [],
};

const never = (): RefusalEvidence => {
  throw new Error("the machine was looked at");
};

/** A state of the kernel in which a call fails, and its error. [linux kernel/kexec.c,
 * kernel/kexec_file.c, kernel/kexec_core.c, security/, crypto/asymmetric_keys/] */
interface Refusal {
  readonly call: KexecCall;
  readonly errno: keyof typeof Errno;
  /** null: the error number has one cause, and nothing is read. */
  readonly evidence: Partial<RefusalEvidence> | null;
  readonly purpose?: ImagePurpose;
  /** The term of the kernel's documents for the cause, which the hint must contain. */
  readonly cause: string;
  /** The option, parameter or privilege that helps, which the hint must contain; null: none. */
  readonly remedy: string | null;
}

const LOCKED = { lockdown: "integrity" } as const;
const SIGNED = "signed by a key that this kernel trusts";
const signed = (errno: keyof typeof Errno, cause: string): Refusal => ({
  ...{ call: "kexec_file_load", errno, evidence: null, cause, remedy: SIGNED },
});

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "the caller is not privileged": {
    ...{ call: "kexec_load", errno: "EPERM", evidence: { capabilities: 0n } },
    ...{ cause: "CAP_SYS_BOOT", remedy: "as root" },
  },
  "the caller has all capabilities but CAP_SYS_BOOT": {
    ...{ call: "exec", errno: "EPERM", evidence: { capabilities: ~(1n << 22n) } },
    ...{ cause: "CAP_SYS_BOOT", remedy: "as root" },
  },
  "loading was disabled by sysctl": {
    ...{ call: "kexec_file_load", errno: "EPERM", evidence: { loadDisabled: true } },
    ...{ cause: "kernel.kexec_load_disabled", remedy: "next boot" },
  },
  "the loads of crash kernels are used up": {
    ...{ call: "kexec_load", errno: "EPERM", evidence: { loadsLeft: 0n }, purpose: "crash" },
    ...{ cause: "kernel.kexec_load_limit_panic", remedy: "next boot" },
  },
  "the loads of other kernels are used up": {
    ...{ call: "kexec_load", errno: "EPERM", evidence: { loadsLeft: 0n } },
    ...{ cause: "kernel.kexec_load_limit_reboot", remedy: "next boot" },
  },
  "lockdown forbids unsigned images": {
    ...{ call: "kexec_load", errno: "EPERM", evidence: LOCKED },
    ...{ cause: "locked down (integrity)", remedy: "-s" },
  },
  "lockdown forbids kexec_load to unload too": {
    ...{ call: "unload", errno: "EPERM", evidence: { lockdown: "confidentiality" } },
    ...{ cause: "locked down (confidentiality)", remedy: "-s -u" },
  },
  "lockdown, and a signature that is not trusted": {
    ...{ call: "kexec_file_load", errno: "EPERM", evidence: LOCKED },
    ...{ cause: "locked down (integrity)", remedy: SIGNED },
  },
  "a security module or seccomp": {
    ...{ call: "kexec_load", errno: "EPERM", evidence: { loadsLeft: 3n } },
    ...{ cause: "LSM (SELinux, IMA)", remedy: null },
  },
  "nothing of the machine can be read": {
    ...{ call: "kexec_load", errno: "EPERM", evidence: { capabilities: null, lockdown: null } },
    ...{ cause: "LSM (SELinux, IMA)", remedy: null },
  },
  "the sysctl that forbids loading does not forbid the start of what is loaded": {
    ...{ call: "exec", errno: "EPERM", evidence: { loadDisabled: true, loadsLeft: 0n } },
    ...{ cause: "LSM (SELinux, IMA)", remedy: null },
  },
  "no kexec_load in the kernel": {
    ...{ call: "kexec_load", errno: "ENOSYS", evidence: null },
    ...{ cause: "CONFIG_KEXEC", remedy: "-s" },
  },
  "no kexec_file_load in the kernel": {
    ...{ call: "kexec_file_load", errno: "ENOSYS", evidence: null },
    ...{ cause: "CONFIG_KEXEC_FILE", remedy: "-c" },
  },
  "reboot(2) with nothing loaded": {
    ...{ call: "exec", errno: "EINVAL", evidence: null },
    ...{ cause: "No image is loaded", remedy: null },
  },
  "--load-preserve-context without CONFIG_KEXEC_JUMP": {
    ...{ call: "kexec_load", errno: "EINVAL", evidence: null, purpose: "preserve-context" },
    ...{ cause: "CONFIG_KEXEC_JUMP", remedy: null },
  },
  "another load holds kexec's lock": {
    ...{ call: "kexec_load", errno: "EBUSY", evidence: null },
    ...{ cause: "Another kexec load is under way", remedy: "try again" },
  },
  "the kernel cannot allocate the pages": {
    ...{ call: "kexec_load", errno: "ENOMEM", evidence: null },
    ...{ cause: "too little memory", remedy: "free some" },
  },
  "the reserved memory is too small": {
    ...{ call: "kexec_load", errno: "EADDRNOTAVAIL", evidence: null, purpose: "crash" },
    ...{ cause: "reserved for a crash kernel", remedy: "crashkernel=" },
  },
  "a segment lies beyond what the kernel can load to": {
    ...{ call: "kexec_load", errno: "EADDRNOTAVAIL", evidence: null },
    ...{ cause: "above the highest address", remedy: null },
  },
  "IMA appraises kernels, and kexec_load has no file to appraise": {
    ...{ call: "kexec_load", errno: "EACCES", evidence: null },
    ...{ cause: "IMA policy", remedy: "-s" },
  },
  "IMA appraises kernels, and this file fails": {
    ...{ call: "kexec_file_load", errno: "EACCES", evidence: null },
    ...{ cause: "IMA policy", remedy: SIGNED },
  },
  "the image has no signature": signed("ENODATA", "has no signature"),
  "no keyring has the signer's key": signed("ENOKEY", "the key that signed the image"),
  "the signature does not match": signed("EKEYREJECTED", "signature is wrong"),
  "the signer's key is on the revocation list": signed("EKEYREVOKED", "revoked"),
  "the signer's key is too old": signed("EKEYEXPIRED", "expired"),
  "the kernel lacks the hash or the cipher": signed("ENOPKG", "lacks the algorithm"),
  "the PE file around the signature is damaged": signed("ELIBBAD", "signature is malformed"),
  "the PKCS#7 message is damaged": signed("EBADMSG", "signature is malformed"),
  "the PKCS#7 message is cut short": signed("EMSGSIZE", "signature is malformed"),
};

describe("the hint has the cause and the remedy:", () => {
  test.each(Object.entries(REFUSALS))("%s", (_, refusal) => {
    const { call, errno, evidence, purpose = "normal", cause, remedy } = refusal;
    const look = evidence === null ? never : () => ({ ...ROOT, ...evidence });
    const hint = explainRefusal(Errno[errno], call, purpose, look) ?? "";
    expect(hint).toContain(cause);
    if (remedy !== null) expect(hint).toContain(remedy);
  });

  test("the hint never suggests the call that failed", () => {
    const options = { kexec_load: /(?:^|\s)-c\b/, kexec_file_load: /(?:^|\s)-s\b/ } as const;
    for (const [name, { call, errno, evidence, purpose = "normal" }] of Object.entries(REFUSALS)) {
      if (call !== "kexec_load" && call !== "kexec_file_load") continue;
      const look = () => ({ ...ROOT, ...evidence });
      const hint = explainRefusal(Errno[errno], call, purpose, look);
      expect([name, options[call].test(hint ?? "")]).toEqual([name, false]);
    }
  });
});

test("every error number of every call gets a reason", () => {
  for (const call of ["kexec_load", "kexec_file_load", "unload", "file-unload", "exec"] as const) {
    for (let errno = 1; errno <= 530; errno += 1) {
      const hint = explainRefusal(errno, call, "normal", () => ROOT);
      expect(hint.length).toBeGreaterThan(15);
      expect(hint).not.toContain("undefined");
    }
  }
});

test.each([
  ["EADDRNOTAVAIL", "kexec_file_load", "no free memory"],
  ["EADDRNOTAVAIL", "kexec_load", "highest address"],
  ["EAGAIN", "kexec_load", "try again"],
  ["EINTR", "kexec_load", "signal"],
  ["E2BIG", "kexec_load", "larger than this kernel accepts"],
  ["EFAULT", "kexec_load", "memory.max"],
  ["EFAULT", "kexec_file_load", "memory ran out"],
  ["ETXTBSY", "kexec_file_load", "open for writing"],
  ["EFBIG", "kexec_file_load", "4 GiB"],
  ["EIO", "kexec_file_load", "dmesg"],
  ["EBADF", "kexec_file_load", "LSM"],
  ["EINVAL", "kexec_load", "--dry-run"],
  ["ENOENT", "kexec_load", "no such error"],
] as const)("%s of %s", (errno, call, text) => {
  expect(explainRefusal(Errno[errno], call, "normal", never)).toContain(text);
});

describe("where it is not known what this process may do", () => {
  const hidden = { ...ROOT, capabilities: null, unreadable: ["/proc/self/status: EIO."] };
  const explain = () => explainRefusal(Errno.EPERM, "kexec_load", "normal", () => hidden);

  test("nothing is claimed, and what was not read is named", () => {
    expect(explain()).toContain("CAP_SYS_BOOT may be missing");
    expect(explain()).toContain("Not known: /proc/self/status: EIO.");
  });
});

test("no hint has more than three lines, or a line of more than 100 characters", () => {
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
  test("reads all files of a machine", () => {
    const root = fakeRoot(LINUX, {
      "proc/sys/kernel/kexec_load_limit_panic": "2\n",
      "proc/sys/kernel/kexec_load_limit_reboot": "-1\n",
    });
    const common = {
      capabilities: 0x1ffffffffffn,
      lockdown: "integrity" as const,
      loadDisabled: false,
      ...{ lockdownParameter: null, unreadable: [] },
    };
    expect(readRefusalEvidence("crash", root)).toEqual({ ...common, loadsLeft: 2n });
    expect(readRefusalEvidence("normal", root)).toEqual({ ...common, loadsLeft: null });
  });

  test("is null for each file that is missing", () => {
    expect(readRefusalEvidence("crash", fakeRoot())).toEqual({
      capabilities: null,
      lockdown: null,
      loadDisabled: null,
      loadsLeft: null,
      lockdownParameter: null,
      unreadable: [
        "/sys/kernel/security/lockdown: securityfs is not mounted on /sys/kernel/security.",
      ],
    });
  });

  test("of a machine without securityfs that was booted with lockdown=", () => {
    const { "sys/kernel/security/lockdown": _, ...rest } = LINUX;
    const root = fakeRoot(rest, {
      "proc/cmdline": 'quiet lockdown="integrity" -- lockdown=none\n',
    });
    const evidence = readRefusalEvidence("normal", root);
    expect(evidence).toMatchObject({ lockdown: null, lockdownParameter: "integrity" });
    const hint = explainRefusal(Errno.EPERM, "kexec_load", "normal", () => evidence);
    expect(hint).toContain("Most likely the kernel is locked down");
    expect(hint).toContain("lockdown=integrity");
    expect(hint).toContain("Try -s");
  });

  test("of a machine with securityfs whose kernel has no lockdown", () => {
    const { "sys/kernel/security/lockdown": _, ...rest } = LINUX;
    const mounts = "securityfs /sys/kernel/security securityfs rw 0 0\n";
    const root = fakeRoot(rest, { "proc/mounts": mounts });
    expect(readRefusalEvidence("normal", root).unreadable).toEqual([]);
  });
});
