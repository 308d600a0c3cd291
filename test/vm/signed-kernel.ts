/** Debian's kernel, signed with the key that OVMF trusts for tests in place of Debian's own. */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../scripts/command.ts";
import type { Kernel } from "../../scripts/kernels.ts";

const KEY = "/usr/share/ovmf/PkKek-1-snakeoil.key";
const CERTIFICATE = "/usr/share/ovmf/PkKek-1-snakeoil.pem";
/** As Debian's package says. */
const PASSPHRASE = "pass:snakeoil";

/** @param folder gets the files @throws Problem */
export function signedKernel(kernel: Kernel, folder: string): Kernel {
  const [bare, key, vmlinuz] = ["bare", "key.pem", "signed"].map((name) => join(folder, name));
  if (bare === undefined || key === undefined || vmlinuz === undefined) throw new Error("no paths");
  copyFileSync(kernel.vmlinuz, bare);
  runCommand("Take Debian's signature off", ["sbattach", "--remove", bare]);
  const open = ["openssl", "rsa", "-in", KEY, "-passin", PASSPHRASE, "-out", key];
  runCommand("Open the key for tests", open);
  const sign = ["sbsign", "--key", key, "--cert", CERTIFICATE, "--output", vmlinuz, bare];
  runCommand("Sign a kernel", sign);
  return { ...kernel, vmlinuz };
}
