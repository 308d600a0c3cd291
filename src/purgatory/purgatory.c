// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The purgatory runs between two kernels: it prints a line, checks the digests of the segments, and
 * copies the backup region. It returns to start the next kernel; on an error it halts.
 *
 * It is compiled for each architecture, whose folder has:
 *
 *   arch.h      static functions: halt, copy, enterable, arch_start, arch_write, arch_finish
 *   entry.h     FLAGS_KNOWN, and the part of the parameter block that describes the kernel's entry
 *   console.h   struct console and the functions console_*
 *
 * Apart from these functions it writes only to its own memory and to the backup's destination.
 */

#include "arch.h"
#include "console.h"
#include "contract.h"
#include "sha256.h"

static int same(const uint8_t *a, const uint8_t *b, size_t size) {
  uint8_t difference = 0;
  for (size_t i = 0; i < size; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

/* Whether the block is complete, of this version, and has only known flags. */
static int understood(const struct parameters *p) {
  return p->magic == PARAMETERS_MAGIC_VALUE && p->version == PARAMETERS_VERSION_NOW &&
         p->block_size == PARAMETERS_END && (p->flags & ~FLAGS_KNOWN) == 0 &&
         p->region_count <= REGIONS_MAX && enterable(p);
}

/* Prints one line that begins as kexec-tools' line does, because people search for that. */
static void report(struct console *console, const struct parameters *p, uint32_t index,
                   const uint8_t *found) {
  const struct region *region = &p->regions[index];
  console_text(console, "sha256 digests do not match :( region ");
  console_decimal(console, index + 1);
  console_text(console, " of ");
  console_decimal(console, p->region_count);
  console_text(console, ", 0x");
  console_hex(console, region->length);
  console_text(console, " bytes at 0x");
  console_hex(console, region->start);
  console_text(console, ": expected ");
  console_bytes(console, region->sha256, 8);
  console_text(console, "..., found ");
  console_bytes(console, found, 8);
  console_text(console, "...; the kernel is not started\n");
}

static void verify(struct console *console, const struct parameters *p) {
  sha256_blocks *blocks = sha256_choose(p->sha256_routine);
  for (uint32_t i = 0; i < p->region_count; i++) {
    const struct region *region = &p->regions[i];
    uint8_t digest[32];
    sha256(blocks, (const uint8_t *)region->start, region->length, digest);
    if (same(digest, region->sha256, sizeof(digest))) continue;
    report(console, p, i, digest);
    halt();
  }
}

/* Called only by each architecture's assembly. `jump_back_entry`, a physical address, is 0 unless
 * the loader requested a jump back. */
void purgatory(const struct parameters *p, uint64_t jump_back_entry) {
  struct console console;
  arch_start(p);
  console_open(&console, p);
  console_text(&console, "I'm in purgatory\n");
  if (!understood(p)) {
    console_text(&console, "purgatory: unknown parameters; the kernel is not started\n");
    halt();
  }
  if (!(p->flags & FLAG_SKIP_CHECKS)) verify(&console, p);
  if (p->backup_size != 0) copy(p->backup_destination, p->backup_source, p->backup_size);
  arch_write(p, jump_back_entry);
  console_close(&console);
  arch_finish(p);
}
