// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that says what it is given, as a multiboot image of either version or as an ELF
 * executable with boot notes, of 32 or of 64 bits. [multiboot] [multiboot2]
 * [kexec-tools include/boot/elf_boot.h]
 */

#include "say.h"

#define MULTIBOOT_MAGIC 0x2badb002
#define MULTIBOOT2_MAGIC 0x36d76289
#define ELF_BOOT_MAGIC 0x0e1fb007
#define WITH_MODULES 0x8
#define WITH_MAP 0x40

struct multiboot {
  uint32_t flags, lower, upper, boot_device, cmdline, mods_count, mods, syms[4];
  uint32_t map_length, map, drives_length, drives, config_table, loader;
};

struct module {
  uint32_t start, end, text, reserved;
};

struct area {
  uint32_t size;
  uint64_t start, length;
  uint32_t type;
} __attribute__((packed));

struct tag {
  uint32_t type, size;
  uint32_t words[];
};

struct notes {
  uint32_t magic, size;
  uint16_t checksum, count;
};

struct note {
  uint32_t name_size, size, type;
  char text[];
};

static void *at(uint32_t address) { return (void *)(uintptr_t)address; }

static void text(const char *key, const char *words) {
  begin(key);
  put(' ');
  say(words);
  end();
}

static void memory(uint64_t start, uint64_t length, uint32_t type) {
  begin("memory");
  say_hex(start);
  say_hex(length);
  say_hex(type);
  end();
}

/* Its bytes, added up, say whether it is all there. */
static void module(uint32_t start, uint32_t end_of_it, const char *words) {
  uint32_t sum = 0;
  for (uint32_t i = start; i < end_of_it; i++) sum += *(uint8_t *)at(i);
  begin("module");
  say_hex(start & 0xfff);
  say_hex(end_of_it - start);
  say_hex(sum);
  put(' ');
  say(words);
  end();
}

static void show_multiboot(const struct multiboot *info) {
  line("flags", info->flags);
  line("lower", info->lower);
  line("upper", info->upper);
  text("command-line", at(info->cmdline));
  text("loader", at(info->loader));
  const struct module *modules = at(info->mods);
  for (uint32_t i = 0; (info->flags & WITH_MODULES) && i < info->mods_count; i++) {
    module(modules[i].start, modules[i].end, at(modules[i].text));
  }
  const uint8_t *map = at(info->map);
  for (uint32_t i = 0; (info->flags & WITH_MAP) && i < info->map_length;) {
    const struct area *area = (const void *)(map + i);
    memory(area->start, area->length, area->type);
    i += area->size + 4;
  }
}

static void show_map(const struct tag *tag) {
  const uint8_t *last = (const uint8_t *)tag + tag->size;
  for (const uint8_t *row = (const void *)(tag->words + 2); row < last; row += tag->words[0]) {
    const uint64_t *numbers = (const void *)row;
    memory(numbers[0], numbers[1], (uint32_t)numbers[2]);
  }
}

/* Of ACPI's root pointer: what its bytes add up to, and where the old table is. */
static void acpi(const struct tag *tag) {
  uint8_t sum = 0;
  for (uint32_t i = 0; i < tag->size - sizeof(*tag); i++) sum += ((const uint8_t *)tag->words)[i];
  begin("acpi");
  say_hex(tag->size - sizeof(*tag));
  say_hex(sum);
  say_hex(tag->words[4]);
  end();
}

static void show_tag(const struct tag *tag) {
  line("tag", tag->type);
  if (tag->type == 1) text("command-line", (const void *)tag->words);
  if (tag->type == 2) text("loader", (const void *)tag->words);
  if (tag->type == 3) module(tag->words[0], tag->words[1], (const void *)(tag->words + 2));
  if (tag->type == 4) line("lower", tag->words[0]), line("upper", tag->words[1]);
  if (tag->type == 6) show_map(tag);
  if (tag->type == 14 || tag->type == 15) acpi(tag);
}

static void show_multiboot2(const uint32_t *info) {
  const uint8_t *start = (const void *)info;
  for (uint32_t i = 8; i < info[0];) {
    const struct tag *tag = (const void *)(start + i);
    show_tag(tag);
    if (tag->type == 0) break;
    i += (tag->size + 7) & ~7u;
  }
}

static void show_notes(const struct notes *notes) {
  const uint16_t *words = (const void *)notes;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < notes->size / 2; i++) sum += words[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  line("checksum", sum);
  const uint8_t *place = (const void *)(notes + 1);
  for (int i = 0; i < notes->count; i++) {
    const struct note *note = (const void *)place;
    line("note", note->type);
    text("text", note->size == 0 ? "" : note->text);
    place += sizeof(*note) + ((note->size + 3) & ~3u);
  }
}

/* The magic number, the register that goes with it, and the first argument. */
_Noreturn void program(uint32_t magic, uint32_t info, uintptr_t argument) {
  begin(sizeof(void *) == 8 ? "bits 64" : "bits 32");
  end();
  if (magic == MULTIBOOT_MAGIC || magic == MULTIBOOT2_MAGIC) line("magic", magic);
  if (magic == MULTIBOOT_MAGIC) show_multiboot(at(info));
  else if (magic == MULTIBOOT2_MAGIC) show_multiboot2(at(info));
  else if (argument != 0 && *(uint32_t *)argument == ELF_BOOT_MAGIC) show_notes((void *)argument);
  finish();
}
