// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a network boot image says: its arguments, and, in real mode, what the BIOS answers. The
 * arguments are numbers that nbi-start.S took from the stack, far pointers made linear.
 */

#include "say.h"

#define NBI_MAGIC 0x1b031336
#define CARRY 0x1

struct registers {
  uint32_t eax, ebx, ecx, edx, edi, flags;
};

/* In nbi-start.S: calls of the BIOS with these registers, es being this segment. */
void bios_15(struct registers *registers);
void bios_10(struct registers *registers);
/* How often the BIOS's clock ticked while it waited for two ticks; 0: it stands still. */
uint32_t wait_for_ticks(void);
/* The 32-bit word at a linear address. */
uint32_t word_at(uint32_t address);

#ifdef REAL_MODE
static void show_memory(void) {
  struct {
    uint64_t start, length;
    uint32_t type;
  } area;
  uint32_t next = 0;
  do {
    struct registers call = {0xe820, next, sizeof(area), 0x534d4150, (uintptr_t)&area, 0};
    bios_15(&call);
    if (call.flags & CARRY) return;
    begin("memory");
    say_hex(area.start);
    say_hex(area.length);
    say_hex(area.type);
    end();
    next = call.ebx;
  } while (next != 0);
}

static void show_bios(void) {
  struct registers mode = {0x0f00, 0, 0, 0, 0, 0};
  bios_10(&mode);
  line("video-columns", (mode.eax >> 8) & 0xff);
  line("ticks", wait_for_ticks());
  show_memory();
}
#else
static void show_bios(void) {}
#endif

_Noreturn void program(uint32_t head, uint32_t reply, uint32_t back, uint32_t flags) {
  line("magic", word_at(head));
  line("head", head);
  line("reply-below", reply < 0xa0000);
  line("reply", word_at(reply));
  line("back", word_at(back));
  line("interrupts", (flags >> 9) & 1);
  show_bios();
  finish();
}
