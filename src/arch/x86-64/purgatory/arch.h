/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What src/purgatory/purgatory.c needs of x86_64, as one unit with it, hence static.
 *
 * What it does not do: it writes to no memory but, where asked, the VGA's and the end of the command
 * line.
 */

#ifndef PURGATORY_ARCH_H
#define PURGATORY_ARCH_H

#include "bios.h"
#include "entry.h"
#include "vga.h"

/* Bytes behind the block that the code and its stack do not exceed. */
#define PURGATORY_REACH 0x10000

/* One past what a segment register of real mode reaches. */
#define REAL_MODE_END 0x100000

static const struct entry *entry_of(const struct parameters *p) { return (const struct entry *)p; }

/* With interrupts off only an NMI ends hlt, hence the loop. */
static _Noreturn void halt(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

static void copy(uint64_t destination, uint64_t source, uint64_t size) {
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(size) : : "memory");
}

/* Code that runs with paging off is reached below 4 GiB only, in real mode below 1 MiB. */
static int enterable(const struct parameters *p) {
  const struct entry *entry = entry_of(p);
  uint64_t end = (uint64_t)p + PURGATORY_REACH;
  uint64_t rip = entry->registers[16];
  if (entry->entry_mode == ENTRY_MODE_64) return 1;
  if (entry->entry_mode == ENTRY_MODE_32) return (end | rip) >> 32 == 0;
  return entry->entry_mode == ENTRY_MODE_16 && end <= REAL_MODE_END && rip >> 16 == 0;
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

/* Before the console is opened. */
static void arch_start(const struct parameters *p) {
  if (p->flags & FLAG_RESET_VGA) vga_reset();
}

/* After the checks and the backup. `jump_back_entry` is what purgatory.S gave to purgatory(). */
static void arch_write(const struct parameters *p, uint64_t jump_back_entry) {
  const struct entry *entry = entry_of(p);
  if (entry->jump_back_text != 0) tell_jump_back(entry->jump_back_text, jump_back_entry);
}

/* After the console is closed, as the last thing before the assembly enters the next kernel. */
static void arch_finish(const struct parameters *p) {
  if (entry_of(p)->entry_mode == ENTRY_MODE_16) bios_interrupts();
}

#endif
