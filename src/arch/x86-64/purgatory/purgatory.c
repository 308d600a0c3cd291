// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What happens between two kernels: say so, check that the segments are what was loaded, save the
 * backup region. Returning means "start the kernel"; where something is wrong it never returns.
 *
 * What it does not do: it writes to no memory but its own, the backup's destination and, where
 * asked, the VGA's and the end of the command line.
 */

#include "bios.h"
#include "console.h"
#include "contract.h"
#include "sha256.h"
#include "vga.h"

/* Bytes behind the block that the code and its stack do not exceed. */
#define PURGATORY_REACH 0x10000

/* One past what a segment register reaches. */
#define REAL_MODE_END 0x100000

/* With interrupts off only an NMI ends hlt, hence the loop. */
static _Noreturn void halt(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

static void copy(uint64_t destination, uint64_t source, uint64_t size) {
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(size) : : "memory");
}

static int same(const uint8_t *a, const uint8_t *b, size_t size) {
  uint8_t difference = 0;
  for (size_t i = 0; i < size; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

/* Code that runs with paging off is reached below 4 GiB only, in real mode below 1 MiB. */
static int enterable(const struct parameters *p) {
  uint64_t end = (uint64_t)p + PURGATORY_REACH;
  uint64_t rip = p->registers[16];
  if (p->entry_mode == ENTRY_MODE_64) return 1;
  if (p->entry_mode == ENTRY_MODE_32) return (end | rip) >> 32 == 0;
  return p->entry_mode == ENTRY_MODE_16 && end <= REAL_MODE_END && rip >> 16 == 0;
}

/* A block of another version, or one that lost bytes, must not be half obeyed. */
static int understood(const struct parameters *p) {
  return p->magic == PARAMETERS_MAGIC_VALUE && p->version == PARAMETERS_VERSION_NOW &&
         p->block_size == PARAMETERS_END && (p->flags & ~FLAGS_KNOWN) == 0 &&
         p->region_count <= REGIONS_MAX && enterable(p);
}

/* One line, beginning as kexec-tools' does, since that is what people search for. */
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

static char *text(char *to, const char *from) {
  while (*from != 0) *to++ = *from++;
  return to;
}

/* The next kernel's user space needs the address for kexec --load-jump-back-helper. After the
 * checks, since it changes what they are made over. */
static void tell_jump_back(uint64_t text_end, uint64_t entry) {
  char *to = text((char *)text_end, " kexec_jump_back_entry=0x");
  int shift = 60;
  while (shift > 0 && entry >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[entry >> shift & 15];
  *to = 0;
}

/* Called by purgatory.S alone. `jump_back_entry` is 0 where nobody asked for it. */
void purgatory(const struct parameters *p, uint64_t jump_back_entry) {
  struct console console;
  if (p->flags & FLAG_RESET_VGA) vga_reset();
  console_open(&console, p);
  console_text(&console, "I'm in purgatory\n");
  if (!understood(p)) {
    console_text(&console, "purgatory: unknown parameters; the kernel is not started\n");
    halt();
  }
  if (!(p->flags & FLAG_SKIP_CHECKS)) verify(&console, p);
  if (p->backup_size != 0) copy(p->backup_destination, p->backup_source, p->backup_size);
  if (p->jump_back_text != 0) tell_jump_back(p->jump_back_text, jump_back_entry);
  console_close(&console);
  if (p->entry_mode == ENTRY_MODE_16) bios_interrupts();
}
