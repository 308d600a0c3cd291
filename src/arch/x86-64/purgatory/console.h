/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the purgatory speaks: a 16550 serial port, the VGA's text screen, both, or nowhere. */

#ifndef PURGATORY_CONSOLE_H
#define PURGATORY_CONSOLE_H

#include "contract.h"

/* Lives on the caller's stack: the purgatory has no data of its own. */
struct console {
  /* 0 where the port is not used. */
  uint16_t serial;
  uint8_t vga;
  /* Where the next character goes, in the screen's last row. */
  uint8_t column;
  /* The upper left corner, in cells from the start of text memory. */
  uint16_t origin;
};

void console_open(struct console *console, const struct parameters *p);
void console_text(struct console *console, const char *text);
void console_decimal(struct console *console, uint32_t value);
/* Without leading zeros and without 0x. */
void console_hex(struct console *console, uint64_t value);
/* All 16 hexadecimal digits, without 0x. */
void console_digest(struct console *console, uint64_t digest);
/* Waits until everything has left the port. */
void console_close(struct console *console);

#endif
