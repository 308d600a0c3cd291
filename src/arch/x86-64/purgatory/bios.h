/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hardware of a PC as the BIOS's interrupt handlers expect it. */

#ifndef PURGATORY_BIOS_H
#define PURGATORY_BIOS_H

/* Interrupts must be off, and nobody may be using the controllers. */
void bios_interrupts(void);

#endif
