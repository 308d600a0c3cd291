// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The VGA's registers for mode 3: 720 by 400 dots at 70 Hz, a character is 9 by 16. The values are
 * those that a VGA's BIOS sets. [vga]
 *
 * What it does not do: it knows the VGA's standard registers only. An adapter in one of its maker's
 * own modes stays there, the font stays as it is in plane 2, and so does the text.
 */

#include "vga.h"

#include "io.h"

#define ATTRIBUTE 0x3c0
#define MISC_WRITE 0x3c2
#define SEQUENCER 0x3c4
#define DAC_MASK 0x3c6
#define DAC_WRITE_INDEX 0x3c8
#define DAC_DATA 0x3c9
#define GRAPHICS 0x3ce
#define CRTC 0x3d4
#define STATUS_1 0x3da

/* 28.322 MHz clock, colour addresses (0x3dX), 400 lines, access to memory. */
#define MISC_TEXT 0x67

/* The sequencer stands still while bits 0 and 1 of its register 0 are not both set. */
#define SEQUENCER_RESET 0
#define SEQUENCER_STOP 0x01
#define SEQUENCER_RUN 0x03

/* CRTC register 0x11 bit 7 protects registers 0 to 7. */
#define CRTC_VERTICAL_END 0x11
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW 0x0f

/* Set in the attribute controller's index: the palette is in use, and the screen is on. */
#define ATTRIBUTE_SCREEN_ON 0x20

/* Registers 1 to 4: 9 dots, planes 0 and 1, first font, odd and even addresses apart. */
static const uint8_t sequencer[] = {0x00, 0x03, 0x00, 0x02};

static const uint8_t crtc[] = {
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, /* horizontal: total to retrace end */
    0xbf, 0x1f,                         /* vertical total, overflow */
    0x00, 0x4f,                         /* first scan line, 16 lines a character */
    0x0d, 0x0e,                         /* cursor's lines */
    0x00, 0x00,                         /* screen starts at the first cell */
    0x00, 0x00,                         /* cursor's place: not written */
    0x9c, 0x8e, 0x8f,                   /* vertical retrace, last line */
    0x28, 0x1f,                         /* 80 cells a row, underline below the character */
    0x96, 0xb9,                         /* vertical blanking */
    0xa3, 0xff,                         /* byte addresses, no split screen */
};

/* Odd and even addresses, 32 KiB at 0xb8000. */
static const uint8_t graphics[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff};

/* The 16 colours as indices of the DAC (brown is 0x14), then text with blinking, black border, all
 * planes, no panning beyond the ninth dot. */
static const uint8_t attribute[] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
    0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00,
};

static void set(uint16_t port, uint8_t index, uint8_t value) {
  out8(port, index);
  out8(port + 1, value);
}

/* The 64 colours of the EGA: two bits for each of red, green and blue, of which the upper ones are
 * the lower three of the number. */
static void set_palette(void) {
  out8(DAC_MASK, 0xff);
  out8(DAC_WRITE_INDEX, 0);
  for (int colour = 0; colour < 64; colour++) {
    for (int bit = 2; bit >= 0; bit--) {
      uint8_t strong = colour >> bit & 1 ? 0x2a : 0;
      uint8_t weak = colour >> (bit + 3) & 1 ? 0x15 : 0;
      out8(DAC_DATA, strong + weak);
    }
  }
}

void vga_reset(void) {
  set(SEQUENCER, SEQUENCER_RESET, SEQUENCER_STOP);
  out8(MISC_WRITE, MISC_TEXT);
  for (unsigned i = 0; i < sizeof(sequencer); i++) set(SEQUENCER, i + 1, sequencer[i]);
  set(SEQUENCER, SEQUENCER_RESET, SEQUENCER_RUN);

  set(CRTC, CRTC_VERTICAL_END, crtc[CRTC_VERTICAL_END] & 0x7f);
  for (unsigned i = 0; i < sizeof(crtc); i++) {
    if (i != CRTC_CURSOR_HIGH && i != CRTC_CURSOR_LOW) set(CRTC, i, crtc[i]);
  }
  for (unsigned i = 0; i < sizeof(graphics); i++) set(GRAPHICS, i, graphics[i]);
  set_palette();

  /* Reading the status makes the attribute controller's port expect an index next; index and
   * value take turns on that one port. */
  (void)in8(STATUS_1);
  for (unsigned i = 0; i < sizeof(attribute); i++) {
    out8(ATTRIBUTE, i);
    out8(ATTRIBUTE, attribute[i]);
  }
  out8(ATTRIBUTE, ATTRIBUTE_SCREEN_ON);
}
