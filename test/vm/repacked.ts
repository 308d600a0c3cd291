/** A bzImage whose payload is compressed in another format than its decompressor knows: it boots
 * only where it is unpacked before. */

import { readSetupHeader, SetupHeader } from "../../src/arch/x86-64/handoff/setup-header.ts";
import { sizeBytes } from "../images/make-payload.ts";
import { payloadOf } from "./vmlinux.ts";

/**
 * @param pack compresses
 * @param sized whether the size follows the data: in gzip's format it is part of them
 */
export function repacked(
  image: Uint8Array,
  pack: (bytes: Uint8Array) => Uint8Array,
  sized: boolean,
): Uint8Array {
  const expanded = payloadOf(image);
  const data = pack(expanded);
  const tail = sized ? sizeBytes(expanded.length) : new Uint8Array(0);
  const setup = (readSetupHeader(image).setup_sects + 1) * 512;
  const start = Math.ceil(image.length / 16) * 16;
  const length = data.length + tail.length;
  const made = new Uint8Array(start + Math.ceil((length + 1) / 16) * 16);
  made.set(image);
  made.set(data, start);
  made.set(tail, start + data.length);
  SetupHeader.write(made, {
    payload_offset: start - setup,
    payload_length: length,
    syssize: (made.length - setup) / 16,
  });
  return made;
}
