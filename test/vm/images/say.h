/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words on the first serial port, and the machine's end. Every line is "IMAGE KEY WORDS". */

#ifndef IMAGES_SAY_H
#define IMAGES_SAY_H

#include <stdint.h>

#define SERIAL 0x3f8
#define SERIAL_STATUS (SERIAL + 5)
#define SERIAL_EMPTY 0x20
#define KEYBOARD 0x64
#define KEYBOARD_RESET 0xfe

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

static inline void out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void put(char c) {
  while (!(in8(SERIAL_STATUS) & SERIAL_EMPTY)) continue;
  out8(SERIAL, (uint8_t)c);
}

static void say(const char *text) {
  for (; *text != 0; text++) put(*text);
}

static void say_hex(uint64_t value) {
  int shift = 60;
  while (shift > 0 && (value >> shift) == 0) shift -= 4;
  say(" 0x");
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
}

static void begin(const char *key) {
  say("IMAGE ");
  say(key);
}

static void end(void) { say("\r\n"); }

static void line(const char *key, uint64_t value) {
  begin(key);
  say_hex(value);
  end();
}

/* The keyboard controller's reset line, which QEMU ends at. */
static _Noreturn void finish(void) {
  begin("end");
  end();
  out8(KEYBOARD, KEYBOARD_RESET);
  for (;;) __asm__ volatile("cli; hlt");
}

#endif
