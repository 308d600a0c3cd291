/**
 * The architectures: one folder and one line each. This is the only door into those folders, but
 * for what reads the machine (edge/linux/NAME.ts).
 */

import { ExitStatus, fail } from "../core/error.ts";
import type { Arch } from "../model/arch.ts";
import type { Architecture } from "../model/architecture.ts";
import type { Container } from "../model/container.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { ImageType } from "../model/image-type.ts";
import { x86_64 } from "./x86-64/index.ts";

const REGISTRY: readonly Arch[] = [x86_64];

/** The architecture of a machine; undefined for one that onekexec cannot plan for. */
export const findArch = ({ architecture }: HostFacts): Arch | undefined =>
  REGISTRY.find(({ name }) => name === architecture);

/**
 * The architecture of a machine.
 * @throws KexecError `facts.architecture` for one that onekexec cannot plan for
 */
export function archOf(facts: HostFacts): Arch {
  const arch = findArch(facts);
  if (arch !== undefined) return arch;
  const message = `unsupported machine type: ${facts.machine}`;
  return fail({ code: "facts.architecture", message, exitStatus: ExitStatus.failed });
}

/** The types of all architectures, or of one, each in the order in which they are tried. */
export function imageTypes(architecture?: Architecture): readonly ImageType[] {
  const archs = REGISTRY.filter(({ name }) => architecture === undefined || name === architecture);
  return archs.flatMap(({ imageTypes }) => imageTypes);
}

/** The container that `file` is, if it is one, whichever architecture's kernel is in it. */
export function containerOf(file: Uint8Array): Container | undefined {
  return REGISTRY.flatMap(({ containers }) => containers).find(
    ({ whyNot }) => whyNot(file) === null,
  );
}
