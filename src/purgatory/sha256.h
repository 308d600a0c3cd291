/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 of a range of memory. sha256.c has the padding and selects the routine; a routine only
 * mixes whole blocks into the state.
 */

#ifndef PURGATORY_SHA256_H
#define PURGATORY_SHA256_H

#include <stdint.h>

/* Mixes `count` blocks of 64 bytes into the state. */
typedef void sha256_blocks(uint32_t state[8], const uint8_t *data, uint64_t count);

/* The routine for a SHA256_ROUTINE_ number of contract.h; the best one for an unknown number. */
sha256_blocks *sha256_choose(uint32_t routine);

/* Writes the digest of `length` bytes, which may be 0 and need not be aligned. */
void sha256(sha256_blocks *blocks, const uint8_t *data, uint64_t length, uint8_t digest[32]);

#endif
