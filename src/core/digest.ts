/**
 * XXH64, the digest that the purgatory checks; SHA-256, the digest that people compare; xxHash32,
 * the checksum of lz4. Pure.
 */

/** The SHA-256 digest of the concatenation of `parts`, 32 bytes. [sha-256] */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const part of parts) hasher.update(part);
  return new Uint8Array(hasher.digest());
}

/** The XXH64 of `bytes` with seed 0: 64 bits. [xxhash] */
export function xxHash64(bytes: Uint8Array): bigint {
  return Bun.hash.xxHash64(bytes, 0n);
}

/** The xxHash32 of `bytes` with seed 0. [lz4 doc/lz4_Frame_format.md] */
export function xxHash32(bytes: Uint8Array): number {
  return Bun.hash.xxHash32(bytes, 0);
}
