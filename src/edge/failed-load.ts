/** The lines that kexec-tools prints about a load that failed, for bug reports. Pure. */

/** A segment as kexec-tools prints it: the fields of struct kexec_segment, in bytes. */
export interface ShownSegment {
  /** Address in this process's memory; 0 for a segment without bytes. */
  readonly buf: bigint;
  readonly bufsz: bigint;
  readonly mem: bigint;
  readonly memsz: bigint;
}

/** `address` as glibc's `%p` prints it. */
function pointerText(address: bigint): string {
  return address === 0n ? "(nil)" : `0x${address.toString(16)}`;
}

/**
 * kexec-tools' message about a failed load: the error, the entry point, the flags, and four lines
 * for each segment. [kexec-tools]
 * @param error the C library's text for the error number
 * @param entry physical address of the entry point
 * @param flags the flags of kexec_load
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
