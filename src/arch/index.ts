/**
 * The registry of architectures: one folder and one line for each. Other code reaches those folders
 * only through this file and options.ts, except edge/linux/NAME.ts, which reads the machine.
 */

import { ExitStatus, fail } from "../core/error.ts";
import type { Arch } from "../model/arch.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Container } from "../model/container.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { ImageType } from "../model/image-type.ts";
import { x86_64 } from "./x86-64/index.ts";

const REGISTRY: readonly Arch[] = [x86_64];

/** The `Arch` of a machine; undefined if onekexec does not support its architecture. */
export const findArch = ({ architecture }: HostFacts): Arch | undefined =>
  REGISTRY.find(({ name }) => name === architecture);

/**
 * The `Arch` of a machine.
 * @throws KexecError `facts.architecture` if onekexec does not support its architecture
 */
export function archOf(facts: HostFacts): Arch {
  const arch = findArch(facts);
  if (arch !== undefined) return arch;
  const message = `unsupported machine type: ${facts.machine}`;
  return fail({ code: "facts.architecture", message, exitStatus: ExitStatus.failed });
}

/** The image types of `architecture`, or of all if it is absent, in the order of the attempts. */
export function imageTypes(architecture?: Architecture): readonly ImageType[] {
  const archs = REGISTRY.filter(({ name }) => architecture === undefined || name === architecture);
  return archs.flatMap(({ imageTypes }) => imageTypes);
}

/** The container type of `file`, of any architecture; undefined if `file` is not a container. */
export function containerOf(file: Uint8Array): Container | undefined {
  return REGISTRY.flatMap(({ containers }) => containers).find(
    ({ whyNot }) => whyNot(file) === null,
  );
}
