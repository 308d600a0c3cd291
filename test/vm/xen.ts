/** How QEMU starts Xen with a dom0 in place of a kernel alone. */

import type { Xen } from "../../scripts/xen.ts";

/** A machine of which Xen has the first word: the first kernel is that of its dom0. */
export interface XenSetup {
  /** How the dom0's kernel runs: in a machine that it knows not to be real, or in the likeness of
   * one; "pv" unless given. */
  readonly dom0?: "pv" | "pvh";
  /** The dom0's, in MiB; 1024 unless given. */
  readonly dom0Memory?: number;
  /** Further words for Xen's command line, such as `crashkernel=192M`. */
  readonly commandLine?: string;
}

/** Of the whole machine, in MiB. */
export const XEN_MEMORY = 2048;

/** What QEMU emulates of these lets a dom0 fault before it says a word. */
const CPU = "max,-pku,-pks,-smap,-smep,-la57";
const XEN_CONSOLE = "com1=115200,8n1 console=com1 loglvl=all";

/** A dom0 that is PVH needs what divides devices from each other, and hardware's own support. */
export function xenMachineArguments({ dom0 = "pv" }: XenSetup): string[] {
  if (dom0 === "pv") return ["-cpu", `${CPU},-svm`];
  return ["-machine", "q35", "-device", "amd-iommu", "-cpu", `${CPU},-rdtscp`];
}

/** In a list of QEMU's own. */
function escaped(text: string): string {
  return text.replaceAll(",", ",,");
}

/** The dom0's kernel, its command line and its initramfs are what Xen is given as modules. */
export function xenBootArguments(
  { dom0 = "pv", dom0Memory = 1024, commandLine = "" }: XenSetup,
  { hypervisor }: Xen,
  kernel: { readonly vmlinuz: string; readonly commandLine: string; readonly initramfs: string },
): string[] {
  const words = [XEN_CONSOLE, `dom0_mem=${dom0Memory}M`, `dom0=${dom0}`, commandLine];
  const modules = [`${kernel.vmlinuz} ${kernel.commandLine}`, kernel.initramfs].map(escaped);
  return ["-kernel", hypervisor, "-append", words.join(" ").trim(), "-initrd", modules.join(",")];
}
