/** A unified kernel image with Debian's systemd-boot stub, made with objcopy, as systemd-stub(7)
 * shows it. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../scripts/command.ts";
import { systemdStub } from "./machine.ts";

/** Behind the stub's own sections, which end below it. */
const FIRST_ADDRESS = 0x20000;
const PAGE = 0x1000;

/** The stub with further sections, in their order. @throws Problem */
export function stubUki(sections: Readonly<Record<string, Uint8Array | string>>): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "onekexec-uki-"));
  try {
    let address = FIRST_ADDRESS;
    const words = Object.entries(sections).flatMap(([name, content]) => {
      const bytes = Buffer.from(content);
      const path = join(folder, name.slice(1));
      writeFileSync(path, bytes);
      const at = `0x${address.toString(16)}`;
      address += Math.ceil(bytes.length / PAGE) * PAGE;
      return ["--add-section", `${name}=${path}`, "--change-section-vma", `${name}=${at}`];
    });
    const image = join(folder, "image.efi");
    const step = "Make a unified kernel image";
    runCommand(step, ["objcopy", ...words, systemdStub().path, image]);
    return new Uint8Array(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
