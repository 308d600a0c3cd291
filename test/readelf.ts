/** What readelf says of bytes that are an ELF file. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * @param flags as readelf takes them: `-hlW`
 * @returns its output; what it complains about is at the end
 */
export function readelf(bytes: Uint8Array, flags: string): string {
  const folder = mkdtempSync(join(tmpdir(), "onekexec-readelf-"));
  try {
    // Its name may be in what is said.
    writeFileSync(join(folder, "file"), bytes);
    const env = { ...process.env, LC_ALL: "C" };
    const { stdout, stderr } = Bun.spawnSync(["readelf", flags, "file"], { cwd: folder, env });
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
