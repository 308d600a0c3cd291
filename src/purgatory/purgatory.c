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
#include "xxh64.h"

/* Whether the block is complete, of this version, and has only known flags. */
static int understood(const struct parameters *p) {
  return p->magic == PARAMETERS_MAGIC_VALUE && p->version == PARAMETERS_VERSION_NOW &&
         p->block_size == PARAMETERS_END && (p->flags & ~FLAGS_KNOWN) == 0 &&
         p->region_count <= REGIONS_MAX && enterable(p);
}

/* Prints one line that begins with kexec-tools' words, because people and scripts search for them;
 * kexec-tools checks by SHA-256. */
static void report(struct console *console, const struct parameters *p, uint32_t index,
                   uint64_t found) {
  const struct region *region = &p->regions[index];
  console_text(console, "sha256 digests do not match :( region ");
  console_decimal(console, index + 1);
  console_text(console, " of ");
  console_decimal(console, p->region_count);
  console_text(console, ", 0x");
  console_hex(console, region->length);
  console_text(console, " bytes at 0x");
  console_hex(console, region->start);
  console_text(console, ": expected xxh64 ");
  console_digest(console, region->xxh64);
  console_text(console, ", found ");
  console_digest(console, found);
  console_text(console, "; the kernel is not started\n");
}

static void verify(struct console *console, const struct parameters *p) {
  for (uint32_t i = 0; i < p->region_count; i++) {
    const struct region *region = &p->regions[i];
    uint64_t found = xxh64((const uint8_t *)region->start, region->length);
    if (found == region->xxh64) continue;
    report(console, p, i, found);
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
