// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * XXH64 for general registers only, in the steps of its specification. [xxhash]
 *
 * It keeps no state between calls, and writes to nothing but its stack. Four accumulators take 32
 * bytes at a time, independently of each other, so that the CPU multiplies for all four at once.
 */

#include "xxh64.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lanes are little-endian");

static const uint64_t prime1 = 0x9e3779b185ebca87;
static const uint64_t prime2 = 0xc2b2ae3d27d4eb4f;
static const uint64_t prime3 = 0x165667b19e3779f9;
static const uint64_t prime4 = 0x85ebca77c2b2ae63;
static const uint64_t prime5 = 0x27d4eb2f165667c5;

/* Bytes that the four accumulators take at a time. */
#define STRIPE 32

static inline uint64_t rol(uint64_t x, int n) { return x << n | x >> (64 - n); }

static inline uint64_t load64(const uint8_t *data) {
  uint64_t lane;
  __builtin_memcpy(&lane, data, sizeof(lane));
  return lane;
}

static inline uint32_t load32(const uint8_t *data) {
  uint32_t lane;
  __builtin_memcpy(&lane, data, sizeof(lane));
  return lane;
}

static inline uint64_t round_of(uint64_t accumulator, uint64_t lane) {
  return rol(accumulator + lane * prime2, 31) * prime1;
}

static inline uint64_t merge(uint64_t hash, uint64_t accumulator) {
  return (hash ^ round_of(0, accumulator)) * prime1 + prime4;
}

/* Steps 1 to 3: `count` stripes, at least one. */
static uint64_t stripes(const uint8_t *data, uint64_t count) {
  uint64_t a = prime1 + prime2, b = prime2, c = 0, d = -prime1;
  for (; count != 0; count--, data += STRIPE) {
    a = round_of(a, load64(data));
    b = round_of(b, load64(data + 8));
    c = round_of(c, load64(data + 16));
    d = round_of(d, load64(data + 24));
  }
  uint64_t hash = rol(a, 1) + rol(b, 7) + rol(c, 12) + rol(d, 18);
  return merge(merge(merge(merge(hash, a), b), c), d);
}

/* Step 5: the last bytes, fewer than a stripe. */
static uint64_t remaining(uint64_t hash, const uint8_t *data, uint64_t left) {
  for (; left >= 8; left -= 8, data += 8) {
    hash = rol(hash ^ round_of(0, load64(data)), 27) * prime1 + prime4;
  }
  if (left >= 4) {
    hash = rol(hash ^ load32(data) * prime1, 23) * prime2 + prime3;
    left -= 4;
    data += 4;
  }
  for (; left != 0; left--, data++) hash = rol(hash ^ *data * prime5, 11) * prime1;
  return hash;
}

/* Step 6. */
static inline uint64_t avalanche(uint64_t hash) {
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

uint64_t xxh64(const uint8_t *data, uint64_t length) {
  uint64_t left = length % STRIPE;
  uint64_t hash = length < STRIPE ? prime5 : stripes(data, length / STRIPE);
  return avalanche(remaining(hash + length, data + (length - left), left));
}
