/** What both say and do when the kernel refuses, for every error number that it may answer with. */

import { describe, expect, test } from "bun:test";
import { differs, runBoth, same } from "./compare.ts";
import { difference } from "./differences.ts";
import type { Answer } from "./harness.ts";
import { INITRD, KERNEL, KERNEL_PIECE } from "./inputs.ts";
import { OWN_LINES } from "./seen.ts";

const ERRORS: readonly Answer[] = [
  "EPERM",
  "EBUSY",
  "ENOSYS",
  "EINVAL",
  "ENOEXEC",
  "EOPNOTSUPP",
  "ENOKEY",
  "EKEYREJECTED",
  "EKEYEXPIRED",
  "EKEYREVOKED",
  "ELIBBAD",
  "ENOPKG",
  "EBADMSG",
  "EMSGSIZE",
  "EADDRNOTAVAIL",
  "ENOMEM",
  "EFBIG",
  "ENODATA",
  "EIO",
  "ETXTBSY",
  "E2BIG",
  "EFAULT",
  "EBADF",
  "EACCES",
  "ENOENT",
];

describe("kexec_load", () => {
  for (const errno of ERRORS) same(["-c", "-l", KERNEL, "--append=x"], { kexecLoad: errno });
  same(["-c", "-l", KERNEL, `--initrd=${INITRD}`], { kexecLoad: "EPERM", user: "nobody" });
});

describe("kexec_file_load, without another way", () => {
  for (const errno of ERRORS) {
    same(["-s", "-l", KERNEL, "--append=x"], { kexecFileLoad: errno });
  }
  same(["-s", "-l", KERNEL, `--initrd=${INITRD}`], { kexecFileLoad: "EPERM", user: "nobody" });
});

describe("kexec_file_load, then perhaps kexec_load", () => {
  for (const errno of ERRORS) {
    same(["-a", "-l", KERNEL, "--append=x"], { kexecFileLoad: errno });
    same(["-a", "-l", KERNEL, "--append=x"], { kexecFileLoad: "ENOSYS", kexecLoad: errno });
  }
  same(["-a", "-l", KERNEL, `--initrd=${INITRD}`], {
    kexecFileLoad: "ENOEXEC",
    kexecLoad: "EPERM",
  });

  const refused = 'kexec_file_load IN/vmlinuz null "x\\u0000" (2) flags 0x4 -> -1 ENOTSUPP';
  const unknown = {
    status: 255,
    stderr: ["kexec_file_load failed: Unknown error 524"],
    calls: [refused],
  };
  differs(
    "enotsupp",
    ["-a", "-l", KERNEL, "--append=x"],
    {
      theirs: unknown,
      ours: {
        status: 0,
        stderr: [],
        calls: [refused, `kexec_load flags 0x3e0000; ${KERNEL_PIECE}; initrd: -> 0`, "sync"],
      },
    },
    { kexecFileLoad: 524 },
  );
  differs(
    "enotsupp",
    ["-s", "-l", KERNEL, "--append=x"],
    {
      theirs: unknown,
      ours: { status: 253, stderr: ["syscall kexec_file_load not available."] },
    },
    { kexecFileLoad: 524 },
  );
});

describe("a reason follows", () => {
  for (const [argv, options, reason] of [
    [["-s", "-l", KERNEL], { kexecFileLoad: "ENOKEY" }, /signed/],
    [["-s", "-l", KERNEL], { kexecFileLoad: "EPERM", user: "nobody" }, /CAP_SYS_BOOT.*root/],
    [["-c", "-l", KERNEL], { kexecLoad: "EPERM", user: "nobody" }, /CAP_SYS_BOOT.*root/],
    [["-c", "-l", KERNEL], { kexecLoad: "ENOSYS" }, /CONFIG_KEXEC\b.*-s/],
    [["-c", "-u"], { kexecLoad: "EBUSY" }, /try again/],
  ] as const) {
    const about = `kexec ${argv[0]} ${argv[1]}, ${JSON.stringify(options)}`;
    test(`${difference("reason").id}: ${about}`, async () => {
      const { theirs, ours } = await runBoth(argv, options);
      const own = ours.stderr.slice(theirs.stderr.length);
      expect(ours.stderr.slice(0, theirs.stderr.length)).toEqual([...theirs.stderr]);
      expect(own.length).toBeGreaterThan(0);
      expect(own.length).toBeLessThanOrEqual(OWN_LINES);
      expect(own.join(" ")).toMatch(reason);
      expect(theirs.stderr.join(" ")).not.toMatch(reason);
    });
  }
});
