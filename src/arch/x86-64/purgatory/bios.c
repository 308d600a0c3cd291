// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Gives the two interrupt controllers and the timer back to the BIOS, whose handlers code in real
 * mode calls. Linux has the controllers deliver other vectors, and masks them all as it ends; its
 * timer is another one. The local APIC and the I/O APIC it leaves as the BIOS had them.
 * [linux arch/x86/kernel/i8259.c, arch/x86/kernel/apic/apic.c disconnect_bsp_APIC]
 *
 * Sources: Intel 8259A and 8254 data sheets; IBM PC AT technical reference, for the vectors.
 *
 * What it does not do: it leaves A20 on, as Linux has it, and touches no device.
 */

#include "bios.h"
#include "io.h"

#define PIC_1 0x20
#define PIC_2 0xa0
#define ICW1_EDGE_CASCADE_ICW4 0x11
#define ICW2_PIC_1 0x08
#define ICW2_PIC_2 0x70
/* The second controller is at input 2 of the first. */
#define ICW3_PIC_1 0x04
#define ICW3_PIC_2 0x02
#define ICW4_8086 0x01
/* What a BIOS handles itself: timer, keyboard, second controller, floppy; mouse, FPU, first disk.
 * Other devices may still ask for a driver that is gone. */
#define MASK_PIC_1 0xb8
#define MASK_PIC_2 0x8f

#define TIMER_CONTROL 0x43
#define TIMER_0 0x40
/* Channel 0, both bytes, square wave; 0 counts as 65536: 18.2 times a second. */
#define TIMER_0_MODE 0x36

/* A port without a device: writing there lets a slow controller settle. */
#define DELAY 0x80

static void put(uint16_t port, uint8_t value) {
  out8(port, value);
  out8(DELAY, 0);
}

static void pic(uint16_t port, uint8_t vector, uint8_t cascade, uint8_t mask) {
  put(port, ICW1_EDGE_CASCADE_ICW4);
  put(port + 1, vector);
  put(port + 1, cascade);
  put(port + 1, ICW4_8086);
  put(port + 1, mask);
}

void bios_interrupts(void) {
  pic(PIC_1, ICW2_PIC_1, ICW3_PIC_1, MASK_PIC_1);
  pic(PIC_2, ICW2_PIC_2, ICW3_PIC_2, MASK_PIC_2);
  put(TIMER_CONTROL, TIMER_0_MODE);
  put(TIMER_0, 0);
  put(TIMER_0, 0);
}
