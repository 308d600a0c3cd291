/** kexec-tools' lines about a load that failed, which people send in reports. Pure. */

/** A segment as kexec-tools shows it: struct kexec_segment. */
export interface ShownSegment {
  /** Address in this process; 0 for none. */
  readonly buf: bigint;
  readonly bufsz: bigint;
  readonly mem: bigint;
  readonly memsz: bigint;
}

/** As C's `%p` prints an address. */
function pointerText(address: bigint): string {
  return address === 0n ? "(nil)" : `0x${address.toString(16)}`;
}

/**
 * @param error the C library's text
 * @param flags kexec_load's
 */
export function failedLoad(
  error: string,
  entry: bigint,
  flags: number,
  segments: readonly ShownSegment[],
): string {
  return [
    `kexec_load failed: ${error}`,
    `entry       = ${pointerText(entry)} flags = 0x${flags.toString(16)}`,
    `nr_segments = ${segments.length}`,
    ...segments.flatMap(({ buf, bufsz, mem, memsz }, i) => [
      `segment[${i}].buf   = ${pointerText(buf)}`,
      `segment[${i}].bufsz = 0x${bufsz.toString(16)}`,
      `segment[${i}].mem   = ${pointerText(mem)}`,
      `segment[${i}].memsz = 0x${memsz.toString(16)}`,
    ]),
  ].join("\n");
}
