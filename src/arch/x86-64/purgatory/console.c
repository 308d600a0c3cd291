// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The consoles.
 *
 * What it does not do: it reads no input, and drives no port but a 16550's eight registers and no
 * screen but 80 columns by 25 rows of VGA text.
 */

#include "console.h"

#include "io.h"

/* Registers of a 16550, from its base. [ns16550a] */
#define UART_DATA 0
#define UART_DIVISOR_LOW 0
#define UART_INTERRUPTS 1
#define UART_DIVISOR_HIGH 1
#define UART_FIFO 2
#define UART_LINE 3
#define UART_MODEM 4
#define UART_STATUS 5

#define LINE_8N1 0x03
#define LINE_DIVISOR_LATCH 0x80
#define MODEM_DTR_RTS 0x03
#define STATUS_ROOM 0x20
#define STATUS_IDLE 0x40

/* The speed of a PC's port with divisor 1. */
#define UART_FASTEST 115200

/* A read of a port takes about a microsecond, and a byte at 300 baud takes 33 ms. */
#define UART_PATIENCE 1000000

#define SCREEN ((volatile uint16_t *)0xb8000)
#define SCREEN_CELLS 0x4000
#define COLUMNS 80
#define ROWS 25
#define GREY_ON_BLACK 0x0700

/* The CRT controller's registers for the screen's first cell. [vga] */
#define CRTC_INDEX 0x3d4
#define CRTC_DATA 0x3d5
#define CRTC_START_HIGH 0x0c
#define CRTC_START_LOW 0x0d

/* A port that never gets ready (a broken one, or one that is not there) is given up: a silent
 * machine that boots is better than one that waits for a console. */
static void uart_wait(struct console *console, uint8_t bit) {
  if (console->serial == 0) return;
  for (int i = 0; i < UART_PATIENCE; i++) {
    if (in8(console->serial + UART_STATUS) & bit) return;
  }
  console->serial = 0;
}

static void uart_open(struct console *console, uint32_t baud) {
  /* Turning the FIFO off throws away what the last kernel still had in it. */
  uart_wait(console, STATUS_IDLE);
  uint16_t base = console->serial;
  if (base == 0) return;
  out8(base + UART_INTERRUPTS, 0);
  out8(base + UART_FIFO, 0);
  out8(base + UART_MODEM, MODEM_DTR_RTS);
  if (baud != 0) {
    uint32_t divisor = (UART_FASTEST + baud / 2) / baud;
    if (divisor < 1) divisor = 1;
    if (divisor > 0xffff) divisor = 0xffff;
    out8(base + UART_LINE, LINE_8N1 | LINE_DIVISOR_LATCH);
    out8(base + UART_DIVISOR_LOW, divisor & 0xff);
    out8(base + UART_DIVISOR_HIGH, divisor >> 8);
  }
  out8(base + UART_LINE, LINE_8N1);
}

static void uart_put(struct console *console, char c) {
  uart_wait(console, STATUS_ROOM);
  if (console->serial != 0) out8(console->serial + UART_DATA, c);
}

static uint8_t crtc(uint8_t index) {
  out8(CRTC_INDEX, index);
  return in8(CRTC_DATA);
}

/* Linux scrolls by moving the screen's start through text memory, which wraps around. */
static volatile uint16_t *cell(const struct console *console, int row, int column) {
  return SCREEN + ((console->origin + row * COLUMNS + column) & (SCREEN_CELLS - 1));
}

static void vga_scroll(struct console *console) {
  for (int row = 0; row < ROWS; row++) {
    for (int column = 0; column < COLUMNS; column++) {
      *cell(console, row, column) =
          row < ROWS - 1 ? *cell(console, row + 1, column) : GREY_ON_BLACK | ' ';
    }
  }
  console->column = 0;
}

/* The last row is written to and scrolled, so what the last kernel wrote stays readable. */
static void vga_put(struct console *console, char c) {
  if (c == '\n' || console->column == COLUMNS) vga_scroll(console);
  if (c != '\n') *cell(console, ROWS - 1, console->column++) = GREY_ON_BLACK | (uint8_t)c;
}

static void put(struct console *console, char c) {
  if (console->vga) vga_put(console, c);
  if (c == '\n') uart_put(console, '\r');
  uart_put(console, c);
}

void console_open(struct console *console, const struct parameters *p) {
  console->serial = p->flags & FLAG_CONSOLE_SERIAL ? p->serial_base : 0;
  console->vga = (p->flags & FLAG_CONSOLE_VGA) != 0;
  console->column = 0;
  console->origin = 0;
  if (console->vga) {
    console->origin = crtc(CRTC_START_HIGH) << 8 | crtc(CRTC_START_LOW);
    vga_scroll(console);
  }
  uart_open(console, p->serial_baud);
}

void console_text(struct console *console, const char *text) {
  for (; *text != 0; text++) put(console, *text);
}

void console_decimal(struct console *console, uint32_t value) {
  if (value >= 10) console_decimal(console, value / 10);
  put(console, '0' + value % 10);
}

static void digit(struct console *console, uint8_t value) {
  put(console, value < 10 ? '0' + value : 'a' + value - 10);
}

void console_hex(struct console *console, uint64_t value) {
  int shift = 60;
  while (shift > 0 && value >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) digit(console, value >> shift & 0xf);
}

void console_digest(struct console *console, uint64_t digest) {
  for (int shift = 60; shift >= 0; shift -= 4) digit(console, digest >> shift & 0xf);
}

void console_close(struct console *console) { uart_wait(console, STATUS_IDLE); }
