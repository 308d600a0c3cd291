/** The containers. One file each, one line here. */

import { beoboot } from "../arch/x86-64/image/beoboot-x86.ts";
import type { Container } from "./container.ts";
import { ukiContainer } from "./uki.ts";

const CONTAINERS: readonly Container[] = [beoboot, ukiContainer];

/** The container that `image` is, if it is one. */
export function containerOf(image: Uint8Array): Container | undefined {
  return CONTAINERS.find(({ type }) => type.probe(image).match);
}
