// SPDX-License-Identifier: GPL-2.0-or-later
/* What the real-mode code of a zImage says: how it was entered, and where its kernel is. */

#include "say.h"

#define KERNEL_PLACE 0x10000

extern uint32_t cmd_line_ptr;
uint32_t word_at(uint32_t address);

_Noreturn void program(uint32_t ds, uint32_t es, uint32_t ss, uint32_t cs, uint32_t sp,
                       uint32_t flags) {
  line("segment", ds);
  line("same-segments", ds == es && es == ss && cs == ds + 0x20);
  line("sp", sp);
  line("interrupts", (flags >> 9) & 1);
  line("kernel", word_at(KERNEL_PLACE));
  begin("command-line ");
  for (uint32_t at = cmd_line_ptr; (word_at(at) & 0xff) != 0; at++) put((char)word_at(at));
  end();
  finish();
}
