/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 of a range of memory. The padding and the choice of routine are in sha256.c; a routine
 * only mixes whole blocks into the state, so a second one needs a function and a line.
 */

#ifndef PURGATORY_SHA256_H
#define PURGATORY_SHA256_H

#include <stdint.h>

/* Mixes `count` blocks of 64 bytes into the state. */
typedef void sha256_blocks(uint32_t state[8], const uint8_t *data, uint64_t count);

/* The routine for a SHA256_ROUTINE_ number of contract.h; the best one where it is not known. */
sha256_blocks *sha256_choose(uint32_t routine);

/* The digest over `length` bytes, any alignment, 0 included. */
void sha256(sha256_blocks *blocks, const uint8_t *data, uint64_t length, uint8_t digest[32]);

#endif
