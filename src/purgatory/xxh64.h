/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XXH64 of a range of memory, with seed 0. [xxhash] */

#ifndef PURGATORY_XXH64_H
#define PURGATORY_XXH64_H

#include <stdint.h>

/* The digest of `length` bytes, which may be 0. `data` need not be aligned; where it is, by 8 bytes,
 * so is every access, which a CPU needs that accesses memory with its MMU off. */
uint64_t xxh64(const uint8_t *data, uint64_t length);

#endif
