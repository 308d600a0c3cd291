// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SHA-256 for general registers only. [fips-180-4]
 *
 * It keeps no state between calls, and allocates nothing. It is written to be fast, because the
 * machine does nothing else meanwhile: 16 rounds are unrolled, so that the eight working variables
 * rotate by name instead of being moved, and the message schedule is kept in 16 words.
 */

#include "sha256.h"

/* K: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
 * [fips-180-4 4.2.2] */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The first 32 bits of the fractional parts of the square roots of the first 8 primes.
 * [fips-180-4 5.3.3] */
static const uint32_t initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t ror(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* Chained rotations compile to fewer instructions than the three separate rotations of the
 * standard, e.g. ror(x, 2) ^ ror(x, 13) ^ ror(x, 22). */
static inline uint32_t big0(uint32_t x) { return ror(ror(ror(x, 9) ^ x, 11) ^ x, 2); }
static inline uint32_t big1(uint32_t x) { return ror(ror(ror(x, 14) ^ x, 5) ^ x, 6); }
static inline uint32_t small0(uint32_t x) { return ror(x, 7) ^ ror(x, 18) ^ x >> 3; }
static inline uint32_t small1(uint32_t x) { return ror(x, 17) ^ ror(x, 19) ^ x >> 10; }

static inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return ((y ^ z) & x) ^ z; }
static inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z) {
  return (x & y) | ((x | y) & z);
}

/* Reads a big-endian word. `data` need not be aligned. */
static inline uint32_t load32(const uint8_t *data) {
  uint32_t word;
  __builtin_memcpy(&word, data, sizeof(word));
  return __builtin_bswap32(word);
}

static inline void store32(uint8_t *data, uint32_t word) {
  word = __builtin_bswap32(word);
  __builtin_memcpy(data, &word, sizeof(word));
}

/* One round: afterwards d and h hold the new e and a, and the caller rotates the names by one. */
#define ROUND(a, b, c, d, e, f, g, h, i, word)                           \
  do {                                                                   \
    uint32_t t = h + big1(e) + choose(e, f, g) + k[base + i] + (word);   \
    d += t;                                                              \
    h = t + big0(a) + majority(a, b, c);                                 \
  } while (0)

#define ROUNDS16(WORD)                         \
  do {                                         \
    ROUND(a, b, c, d, e, f, g, h, 0, WORD(0));   \
    ROUND(h, a, b, c, d, e, f, g, 1, WORD(1));   \
    ROUND(g, h, a, b, c, d, e, f, 2, WORD(2));   \
    ROUND(f, g, h, a, b, c, d, e, 3, WORD(3));   \
    ROUND(e, f, g, h, a, b, c, d, 4, WORD(4));   \
    ROUND(d, e, f, g, h, a, b, c, 5, WORD(5));   \
    ROUND(c, d, e, f, g, h, a, b, 6, WORD(6));   \
    ROUND(b, c, d, e, f, g, h, a, 7, WORD(7));   \
    ROUND(a, b, c, d, e, f, g, h, 8, WORD(8));   \
    ROUND(h, a, b, c, d, e, f, g, 9, WORD(9));   \
    ROUND(g, h, a, b, c, d, e, f, 10, WORD(10)); \
    ROUND(f, g, h, a, b, c, d, e, 11, WORD(11)); \
    ROUND(e, f, g, h, a, b, c, d, 12, WORD(12)); \
    ROUND(d, e, f, g, h, a, b, c, 13, WORD(13)); \
    ROUND(c, d, e, f, g, h, a, b, 14, WORD(14)); \
    ROUND(b, c, d, e, f, g, h, a, 15, WORD(15)); \
  } while (0)

/* The first 16 words of the message schedule are the block; each other one is computed from the 16
 * words before it. */
#define FIRST(i) (w[i] = load32(data + 4 * (i)))
#define NEXT(i) \
  (w[i] += small1(w[((i) + 14) & 15]) + w[((i) + 9) & 15] + small0(w[((i) + 1) & 15]))

static void generic_blocks(uint32_t state[8], const uint8_t *data, uint64_t count) {
  for (; count != 0; count--, data += 64) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    uint32_t w[16];
    int base = 0;
    ROUNDS16(FIRST);
    for (base = 16; base < 64; base += 16) ROUNDS16(NEXT);
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

sha256_blocks *sha256_choose(uint32_t routine) {
  (void)routine;
  return generic_blocks;
}

void sha256(sha256_blocks *blocks, const uint8_t *data, uint64_t length, uint8_t digest[32]) {
  uint32_t state[8];
  for (int i = 0; i < 8; i++) state[i] = initial[i];
  blocks(state, data, length / 64);

  /* The last one or two blocks: the remaining bytes, a one bit, zeros, and the length in bits. */
  uint8_t tail[128];
  uint64_t left = length % 64;
  uint64_t end = left < 56 ? 64 : 128;
  const uint8_t *rest = data + (length - left);
  for (uint64_t i = 0; i < end; i++) tail[i] = i < left ? rest[i] : 0;
  tail[left] = 0x80;
  store32(tail + end - 8, (uint32_t)(length >> 29));
  store32(tail + end - 4, (uint32_t)(length << 3));
  blocks(state, tail, end / 64);
  for (int i = 0; i < 8; i++) store32(digest + 4 * i, state[i]);
}
