/** Kernel images for the tests of handoff/: nothing but a setup header, written byte by byte. */

export interface HeaderOptions {
  readonly version?: number;
  readonly xloadflags?: number;
  /** The byte at 0x201: the header ends at 0x202 plus this. */
  readonly length?: number;
  /** Bytes in all; what is not header is 0xcc, so that copying too much shows. */
  readonly size?: number;
}

export function kernelImage(options: HeaderOptions = {}): Uint8Array {
  const { version = 0x020f, xloadflags = 0x1f, length = 0x6a, size = 1024 } = options;
  const image = new Uint8Array(size).fill(0xcc);
  image.fill(0, 0x1f1, Math.min(size, 0x202 + length));
  const put = (at: number, ...bytes: number[]) => {
    for (const [i, byte] of bytes.entries()) if (at + i < size) image[at + i] = byte;
  };
  put(0x1ef, 0xff, 0xcc); // the sentinel, which must not be copied
  put(0x1f1, 0x1b, 0x01, 0x00); // setup_sects 27, root_flags 1
  put(0x1fe, 0x55, 0xaa, 0xeb, length);
  put(0x202, 0x48, 0x64, 0x72, 0x53, version & 0xff, version >> 8); // HdrS
  put(0x211, 0x01); // loadflags LOADED_HIGH
  put(0x22c, 0xff, 0xff, 0xff, 0x7f); // initrd_addr_max
  put(0x230, 0x00, 0x00, 0x20, 0x00, 0x01, 0x15, xloadflags & 0xff, xloadflags >> 8);
  put(0x238, 0xff, 0x07, 0x00, 0x00); // cmdline_size 2047
  return image;
}
