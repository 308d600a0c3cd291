/** A flattened device tree for an x86 kernel, in setup_data. [devicetree-spec §5.2] */

import { humanSize } from "../../../core/address.ts";
import { failImage } from "../../../core/error.ts";
import type { InputFile } from "../../../model/image-type.ts";
import { SETUP_DTB, type SetupDataNode } from "./setup-data.ts";

/** Size of the header of version 17: ten big-endian 32-bit numbers. */
const HEADER_SIZE = 40;
const MAGIC = 0xd00dfeed;

/** Refuses a bad device tree here: Linux only logs the error, and boots without the tree. */
function checkTree({ path, bytes }: InputFile): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE || view.getUint32(0) !== MAGIC) {
    failImage({
      code: "image.dtb",
      message: `${path} is not a device tree: there is no 0xd00dfeed at its start`,
      hint: "Compile a .dts file with dtc -O dtb first.",
    });
  }
  const size = view.getUint32(4);
  if (size < HEADER_SIZE || size > bytes.length) {
    failImage({
      code: "image.dtb",
      message:
        `the device tree of ${path} is cut short: it has ${bytes.length} bytes, ` +
        `but its header says ${size} (at offset 4)`,
    });
  }
}

/** The setup_data node with the device tree, and a sentence for the plan; null: neither.
 * @throws KexecError `image.dtb` for a file that is not a device tree */
export function deviceTree(tree: InputFile | null): {
  readonly nodes: readonly SetupDataNode[];
  readonly notes: readonly string[];
} {
  if (tree === null) return { nodes: [], notes: [] };
  checkTree(tree);
  const { path, bytes } = tree;
  const note = `The device tree of ${path} is passed on: ${humanSize(bytes.length)} in setup_data.`;
  return { nodes: [{ type: SETUP_DTB, data: bytes }], notes: [note] };
}
