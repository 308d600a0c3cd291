/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Access to I/O ports. */

#ifndef PURGATORY_IO_H
#define PURGATORY_IO_H

#include <stdint.h>

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

static inline void out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

#endif
