/** The part of seek-bzip 2.0.0 that is used; it comes without types. */
declare module "seek-bzip" {
  interface Source {
    readByte(): number;
    read(buffer: Uint8Array, offset: number, length: number): number;
  }

  /** Its `read` calls `readByte`. */
  class Stream implements Source {
    readByte(): number;
    read(buffer: Uint8Array, offset: number, length: number): number;
  }

  const Bunzip: {
    readonly Stream: typeof Stream;
    /** Decodes the stream at the source's position. @throws TypeError where it is damaged */
    decode(source: Source, sink: { writeByte(byte: number): void }): void;
  };
  export default Bunzip;
}
