/**
 * A root directory with almost nothing in it: the built file, its five libraries, and a kernel. It
 * lives in a mount namespace that ends with the command, so that nothing has to be cleaned up.
 */

import { KEXEC, librariesOf, type Outcome, run } from "./built-file.ts";

export interface SmallRoot {
  /** Runs a script of `sh` in the namespace; `$root` is the directory, `/kexec` in it the file. */
  run(script: string): Outcome;
}

const SETUP = `
set -e
root=$1; kexec=$2; kernel=$3; shift 3
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/proc" "$root/boot"
cp "$kernel" "$root/boot/kernel"
for library in "$@"; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
touch "$root/kexec"
mount --bind "$kexec" "$root/kexec"
with_proc() { mount -t proc "$@" proc "$root/proc"; }
set +e
cd /
`;

/** @param directory an empty one, over which the root is mounted
 * @param prefix words before the whole command, such as a recorder's */
export function smallRoot(
  directory: string,
  kernel: string,
  prefix: readonly string[] = [],
): SmallRoot {
  const words = [directory, KEXEC, kernel, ...librariesOf(KEXEC)];
  return {
    run: (script) =>
      run([...prefix, "unshare", "-m", "/bin/sh", "-c", `${SETUP}${script}`, "sh", ...words]),
  };
}
