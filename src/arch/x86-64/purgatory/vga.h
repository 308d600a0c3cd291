/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Brings the VGA back to text. */

#ifndef PURGATORY_VGA_H
#define PURGATORY_VGA_H

/* Programs 80 columns by 25 rows of text, 16 colours: the BIOS's mode 3. */
void vga_reset(void);

#endif
