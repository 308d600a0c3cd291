/**
 * The smallest bzImage that is valid, byte by byte from the boot protocol and not by the tables
 * under test: a boot sector, `setup_sects` sectors of real-mode code, and 64-bit code that is a
 * pattern. [x86-boot] "The Real-Mode Kernel Header"
 */

export interface BzImageParts {
  /** 0 means 4. */
  readonly setupSects?: number;
  readonly version?: number;
  /** Bytes of 64-bit code, a multiple of 16. */
  readonly codeSize?: number;
  readonly loadflags?: number;
  readonly xloadflags?: number;
  readonly cmdlineSize?: number;
  readonly kernelAlignment?: number;
  readonly prefAddress?: bigint;
  readonly initSize?: number;
  readonly initrdAddrMax?: number;
  readonly relocatable?: number;
}

/** KERNEL_64, CAN_BE_LOADED_ABOVE_4G, EFI handover 32 and 64, EFI_KEXEC, 5LEVEL. */
const XLOADFLAGS = 0x3f;
/** The end of the 2.15 header, less 0x202. */
const HEADER_LENGTH = 0x26c - 0x202;

export function makeBzImage(parts: BzImageParts = {}): Uint8Array {
  const setupSects = parts.setupSects ?? 1;
  const codeSize = parts.codeSize ?? 0x1000;
  const setup = ((setupSects === 0 ? 4 : setupSects) + 1) * 512;
  const image = new Uint8Array(setup + codeSize);
  const view = new DataView(image.buffer);
  image[0x1f1] = setupSects;
  view.setUint32(0x1f4, Math.floor(codeSize / 16), true);
  view.setUint16(0x1fe, 0xaa55, true);
  image.set([0xeb, HEADER_LENGTH], 0x200);
  image.set(Buffer.from("HdrS"), 0x202);
  view.setUint16(0x206, parts.version ?? 0x020f, true);
  image[0x211] = parts.loadflags ?? 1;
  view.setUint32(0x22c, parts.initrdAddrMax ?? 0x7fffffff, true);
  view.setUint32(0x230, parts.kernelAlignment ?? 0x200000, true);
  image[0x234] = parts.relocatable ?? 1;
  image[0x235] = 21;
  view.setUint16(0x236, parts.xloadflags ?? XLOADFLAGS, true);
  view.setUint32(0x238, parts.cmdlineSize ?? 2047, true);
  view.setBigUint64(0x258, parts.prefAddress ?? 0x1000000n, true);
  view.setUint32(0x260, parts.initSize ?? 0x100000, true);
  for (let i = 0; i < codeSize; i += 1) image[setup + i] = (i * 7) & 0xff;
  return image;
}
