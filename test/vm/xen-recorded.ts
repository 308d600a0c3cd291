/** What record-xenctrl.c says of a load, as values. Pure. */

export interface Recorded {
  readonly call: string;
  /** Without a place: what is loaded, and how much memory it gets. */
  readonly segments: readonly { readonly size: string; readonly digest: string }[];
  readonly mapped: readonly string[];
}

/** What reached the hypercall, as record-xenctrl.c has it. */
export function recorded(text: string): Recorded {
  const call = /^xc_kexec_load (type=\d+ arch=\d+)/m.exec(text)?.[1] ?? "(none)";
  const all = [
    ...text.matchAll(
      /^segment buf=(\S+) buf_size=(\S+) dest_maddr=(\S+) dest_size=(\S+) fnv=(\S+)$/gm,
    ),
  ];
  return {
    call,
    segments: all
      .filter(([, buf]) => buf === "yes")
      .map(([, , size, , memory, digest]) => ({
        size: `${size} of ${memory}`,
        digest: digest ?? "",
      })),
    mapped: all.filter(([, buf]) => buf === "null").map(([, , , at, memory]) => `${at} ${memory}`),
  };
}
