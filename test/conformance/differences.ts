/**
 * THE table of intended differences from kexec-tools. scripts/differences.ts puts it into
 * README.md; a test sees to it that README is up to date and that each row has a test of both
 * sides.
 *
 * What is not in it is the same, or a mistake of ours. kexec-tools means its newest release,
 * 2.0.32; where Debian 12's 2.0.25 does something else, the row says so.
 */

export interface Difference {
  /** Tests name it. */
  readonly id: string;
  /** Texts are Markdown, one line each. */
  readonly kexecTools: string;
  readonly onekexec: string;
  readonly why: string;
}

export const DIFFERENCES = [
  {
    id: "version",
    kexecTools: "`-v` prints `kexec-tools 2.0.32`",
    onekexec: "`kexec-tools 2.0.32 (onekexec VERSION)`",
    why: "scripts know the first two words; a bug report should say which program it is about",
  },
  {
    id: "usage",
    kexecTools: "`-h` prints its help",
    onekexec: "the same headings and option names, our own words, and a section of our own options",
    why: "the texts are ours",
  },
  {
    id: "own-options",
    kexecTools:
      "`--dry-run`, `--doctor`, `--facts`, `--save-facts`, `--no-unpack`, `--xen-library` and `--xen-direct` are unknown options",
    onekexec: "has them",
    why: "a plan can be seen, and made for another machine; no abbreviation changes its meaning",
  },
  {
    id: "unpacked",
    kexecTools: "`-c` loads a bzImage as it is, and it unpacks itself after the reboot",
    onekexec:
      "`-c` unpacks it, and an xz initrd, while it loads them, where nothing is lost by that; not with `--no-unpack`",
    why: "0.1 to 0.6 s less between two kernels",
  },
  {
    id: "reason",
    kexecTools: "an error is one line, often without a reason",
    onekexec: "the same line, then up to three more: the cause, looked for, and what to try",
    why: "`Operation not permitted` has five causes; scripts that know the first line still do",
  },
  {
    id: "default-method",
    kexecTools: "before 2.0.27: without `-s`, `-c` or `-a`, as with `-c`; since then as with `-a`",
    onekexec: "as with `-a`",
    why: "a locked-down kernel takes nothing else; it is kexec-tools' own choice now",
  },
  {
    id: "release",
    kexecTools:
      "releases up to 2.0.32 do not know `--no-cma` and `--force-dtb`, before 2.0.28 `--hotplug`; before 2.0.32 `--reuse-cmdline` takes out `BOOT_IMAGE` only, not all that begins so; before 2.0.29 a kernel that cannot be opened with `-s` or `-a` is `Failed to open file FILE:REASON`, status 255",
    onekexec: "the newest options, rules and words, those of its sources after 2.0.32 too",
    why: "a script written for the newest release works",
  },
  {
    id: "crash-room",
    kexecTools:
      "loads a crash kernel without a word where it cannot come up in what is left of `crashkernel=`",
    onekexec: "loads it, and warns on stderr with the numbers",
    why: "nobody would notice before the dump is missing",
  },
  {
    id: "xen-log",
    kexecTools:
      "under Xen the dump has Xen's vmcoreinfo only, and `vmcore-dmesg` ends with `Missing the log_buf symbol`",
    onekexec:
      "dom0's vmcoreinfo is a further note, and `vmcore-dmesg` prints dom0's log; Xen's own log is in no such note, and stays out of reach",
    why: "the log of dom0 says why it died",
  },
  {
    id: "preserve-auto",
    kexecTools:
      "`--load-preserve-context` and `--load-jump-back-helper` are refused with `-a`, the default since 2.0.27",
    onekexec: "goes on to `kexec_load`, which can do it",
    why: "`-a` is for that",
  },
  {
    id: "preserve-memory",
    kexecTools:
      "`--load-preserve-context`: the next kernel gets all RAM in its memory map, and overwrites the kernel that is to be preserved unless `mem=` is added by hand",
    onekexec: "its memory map has RAM up to `--mem-max`",
    why: "nothing else is preserved",
  },
  {
    id: "preserve-dump",
    kexecTools:
      "`--load-preserve-context`: the next kernel's `/proc/vmcore` has the lowest 640 KiB at address 0, and a piece of nearly 16 EiB",
    onekexec: "it has only memory that is still where it was",
    why: "what the next kernel uses was swapped away, and its own memory is there now",
  },
  {
    id: "jump-back",
    kexecTools:
      "`-e` ends with `kexec failed: Success` and status 255 after the next kernel jumped back; `--load-jump-back-helper` takes the network down",
    onekexec: "status 0; the network stays up until `-e`",
    why: "nothing failed, and nothing was started",
  },
  {
    id: "real-mode",
    kexecTools:
      "`--real-mode` says `Starting the kernel in real mode`, and the machine hangs when it starts",
    onekexec:
      "the kernel starts by its real-mode code, with the BIOS's interrupts as it left them; refused where EFI started the machine, which has no BIOS",
    why: "what is loaded should start, and what cannot should be known before",
  },
  {
    id: "zimage",
    kexecTools: "takes no zImage: `Cannot determine the file type of FILE`",
    onekexec: "starts it in real mode, its only entry",
    why: "it is a kernel, and the boot protocol says how it starts",
  },
  {
    id: "fixed-kernel",
    kexecTools:
      "a kernel that is not relocatable moves itself to `pref_address`, and may overwrite its initrd or its boot params there",
    onekexec: "keeps that memory free, and refuses where it is not RAM that is free",
    why: "the boot protocol says where the kernel runs, and how much memory it takes",
  },
  {
    id: "five-level-paging",
    kexecTools:
      "under 5-level paging `-c`, and `-a` after the running kernel's refusal, enter a kernel without XLF_5LEVEL in 64-bit mode; the machine dies",
    onekexec: "enters it in 32-bit mode; `-s` says why it cannot, status 253",
    why: "paging is off there, and the kernel starts",
  },
  {
    id: "nbi",
    kexecTools:
      "a network boot image: `Symbol: entry32_regs32 not found cannot get`, status 1, or for real mode the same of `entry16_regs`",
    onekexec:
      "starts it, with the stack and the arguments that the format names; a BOOTP reply is not among them, its place is empty",
    why: "what has an image type should start",
  },
  {
    id: "beoboot",
    kexecTools:
      "a beoboot image with `-s` or `-a`: `Could not find a free area of memory`, status 1",
    onekexec: "hands the kernel, the initrd and the command line over that are in it",
    why: "the kernel is one that `-s` can load",
  },
  {
    id: "multiboot-info",
    kexecTools:
      "tells multiboot images 1 KiB too little of lower and upper memory; to version 2 it gives no end tag within `total_size`",
    onekexec: "all of it, and the end tag",
    why: "the specifications say so",
  },
  {
    id: "auto-image",
    kexecTools:
      "`-a`, its default, dies of ELF executables and multiboot images: `Could not find a free area of memory` or `Invalid memory segment`, status 1; `-s` too",
    onekexec: "`-a` goes on to `kexec_load`; `-s` says why it cannot, status 253",
    why: "`-a` is for that",
  },
  {
    id: "linux-arguments",
    kexecTools:
      "a `vmlinux` without `--args-linux` gets ELF arguments: it never comes up, and with an initrd it is refused",
    onekexec: "it is known to be a Linux kernel, and gets what one needs",
    why: "no Linux kernel takes the other; `--args-elf` still gives it",
  },
  {
    id: "args-none",
    kexecTools: "`--args-none` jumps into the program at once, without a look at what was loaded",
    onekexec: "the purgatory checks it first, as everything else; `-i` leaves that out",
    why: "nothing says that arguments and checks have to do with each other",
  },
  {
    id: "multiboot-reuse",
    kexecTools: "forgets `--reuse-cmdline` for a multiboot2 image",
    onekexec: "as for every other image",
    why: "what was asked for should not be left out",
  },
  {
    id: "multiboot-efi",
    kexecTools:
      "tells multiboot images nothing of ACPI; after EFI Xen finds no tables, calls a BIOS that is not there, and never comes up",
    onekexec:
      "multiboot2's tags have ACPI's root pointer, and after EFI the page at 0 has what a BIOS leaves: a copy of it, and calls that fail",
    why: "Xen knows no other way to ACPI's tables where the machine has left EFI behind",
  },
  {
    id: "elf-alignment",
    kexecTools:
      "an ELF executable with a part that begins inside a page: `Base address: ADDRESS is not page aligned`, status 1",
    onekexec: "loads it, its parts joined by pages",
    why: "linkers make such files",
  },
  {
    id: "entry-by-file",
    kexecTools:
      "`-s` with `--real-mode` or `--entry-32bit`: `Kexec2 syscall does not support 16bit or 32bit entry yet`, status 255",
    onekexec: "`syscall kexec_file_load not available.` and the reason, status 253; `-a` goes on",
    why: "it is what `-s` says of all that only `kexec_load` can do",
  },
  {
    id: "entry",
    kexecTools:
      "`--entry` that is in nothing that is loaded: loads, and the machine dies; `-s` ignores it",
    onekexec: "refuses; with `-s` too",
    why: "nothing can run where nothing is",
  },
  {
    id: "uki",
    kexecTools:
      "2.0.31 and later load unified kernel images without the command line that is in them, and leave their parts in `/tmp`",
    onekexec:
      "with it, unless another is given; with the device tree too, where `kexec_load` is used; no file is written",
    why: "it was made to be started with that",
  },
  {
    id: "device-tree",
    kexecTools: "`--dtb` is for type `bzImage` only, and passes any file on",
    onekexec: "for `bzImage64` and `vmlinux` too; a file that is no device tree is refused",
    why: "Linux looks for it at each entry, and goes on without a word if it cannot read it",
  },
  {
    id: "args-linux",
    kexecTools: "`--args-linux` for a compressed kernel gives a message",
    onekexec: "is silent",
    why: "the kernel gets such arguments anyway, and callers say it for every kernel",
  },
  {
    id: "unused-option",
    kexecTools:
      "an option that the image type does not know, such as `--module` for a Linux kernel, gives a message, and loading goes on without it",
    onekexec: "refuses",
    why: "what was asked for must not be left out",
  },
  {
    id: "late-option",
    kexecTools: "`-u --append=x` and the like end with the usage and no reason",
    onekexec: "a line before the usage names the option",
    why: "a screenful of options does not say which one was wrong",
  },
  {
    id: "kernel-copy",
    kexecTools:
      "since 2.0.29 `-s` and `-a` hand over a copy of the kernel file in memory; where none can be made: `Failed to copy decompressed buf`, status 255",
    onekexec:
      "the file itself; a copy only of what the kernel cannot read by itself, such as a pipe, and where none can be made `-a` names the reason and goes on to `kexec_load`",
    why: "a signature in the file's attributes (IMA) is of that file",
  },
  {
    id: "left-out",
    kexecTools:
      "of an option that is given twice, such as `--initrd`, and of several kernels, one counts, without a word",
    onekexec: "the same one counts, and a line on stderr, `Warning: ...`, names what is left out",
    why: "a second initrd that is not loaded shows only when the next kernel misses it",
  },
  {
    id: "lost-output",
    kexecTools: "`-v`, `-h` and `--print-ckr-size` to a full disk or a closed output: status 0",
    onekexec: "a line on stderr, and status 1; 0 where the reader has gone, as `head` goes",
    why: "who asks and gets no answer should know",
  },
  {
    id: "bad-port",
    kexecTools: "a bad `--serial` with `-u` is complained about, and then the image is unloaded",
    onekexec: "nothing is done; status 255, as when loading",
    why: "a command line with a mistake in it should do nothing",
  },
  {
    id: "serial-baud-zero",
    kexecTools: "`--serial-baud=0`, or a word, divides by zero and dies of it (SIGFPE)",
    onekexec: "`Bad serial port baud rate '0'`, status 255",
    why: "a bad number is a bad number",
  },
  {
    id: "forget-option",
    kexecTools:
      "`--append=x --noefi`, `--reuse-video-type` or `--pass-memmap-cmdline` forgets the command line",
    onekexec: "keeps it",
    why: "the order of options must not empty a command line",
  },
  {
    id: "type-by-kernel",
    kexecTools: "`-s` and `-a` ignore `-t TYPE`, even a type that there is not",
    onekexec: "`Unsupported kernel type`, as with `-c`",
    why: "what was asked for must not be left out",
  },
  {
    id: "newline",
    kexecTools: "before 2.0.29: `Cannot read FILE` has no newline at its end",
    onekexec: "has one",
    why: "the next line of a log is not the same line",
  },
  {
    id: "cut-kernel",
    kexecTools: "loads a kernel file that is cut short; the machine dies when it starts",
    onekexec: "`Cannot load FILE` and the size that its header requires, status 255",
    why: "a full disk or a broken download should be found before the reboot",
  },
  {
    id: "bad-initrd",
    kexecTools:
      "`-s` gives the kernel an empty initrd or a directory: `syscall kexec_file_load not available.`, status 253; `-a` then reads it again with `-c`'s messages",
    onekexec: "`-s` and `-a` say what is wrong with the initrd, status 255",
    why: "the system call is available; the initrd is bad",
  },
  {
    id: "long-command-line",
    kexecTools:
      "`-s` lets the kernel refuse it: `syscall kexec_file_load not available.`, status 253",
    onekexec: "`Cannot load FILE` and the length that this kernel takes, status 255, as with `-c`",
    why: "the system call is available; the command line is too long",
  },
  {
    id: "pipe",
    kexecTools:
      "a kernel or initrd that is a pipe: `Cannot read FILE`; `-s` gives it to the kernel; `-a` opens it for each attempt",
    onekexec: "is read to its end, once for both attempts of `-a`",
    why: "`kexec -l <(decrypt kernel)`",
  },
  {
    id: "writers",
    kexecTools:
      "another process may write to a kernel or initrd while it is read, and some of what is loaded is then old, some new",
    onekexec:
      "where the file system grants a lease on it, a process that opens it for writing waits until it is loaded; a file that was written to while it was read is refused",
    why: "no version of the file was ever so, and the digest in the purgatory cannot tell",
  },
  {
    id: "probe",
    kexecTools:
      "2.0.31 and later, for a file that is no kernel: `ERR: can not find .linux section` on stdout, or a crash (SIGSEGV), since the probe for UKI images trusts the file",
    onekexec: "`Cannot determine the file type of FILE`, as kexec-tools had it before",
    why: "every offset in a file is checked",
  },
  {
    id: "compressed",
    kexecTools:
      "2.0.32 built with zlib, zstd and liblzma decompresses a kernel file, and modules, of which it loses what follows gzip data; Debian's not",
    onekexec:
      "takes a kernel file out of gzip, bzip2, zstd, xz, lzma, lz4 and EFI zboot, up to four of them, 1 GiB, and the memory that is available; a module out of one compression, or leaves it as it is where other data follow or memory does not suffice",
    why: "kernels come in all of these, and one file has to serve every machine",
  },
  {
    id: "enotsupp",
    kexecTools: "`-a` stops at the kernel's error 524: `Unknown error 524`",
    onekexec: "tries `kexec_load`, as for `ENOTSUP`",
    why: "524 is how some of the kernel's checks of signatures spell `ENOTSUP`",
  },
  {
    id: "unload-and-load",
    kexecTools: "`-s -u -l` loads with the flag that means unloading",
    onekexec: "unloads, then loads",
    why: "the kernel takes the second call for an unload too: nothing gets loaded",
  },
  {
    id: "debug-text",
    kexecTools: "`-d` prints relocations, and memory ranges as numbers",
    onekexec: "`-d` prints the plan: segments with digests, a picture of memory, every decision",
    why: "debug output is for people; scripts do not read it",
  },
  {
    id: "debug-flag",
    kexecTools:
      "with `-u` too, `-d` asks the kernel for messages: with `-s` from 2.0.29 on; after 2.0.32 by kexec_load's `KEXEC_DEBUG`, which kernels before 6.19 refuse",
    onekexec: "loads without it where the kernel refuses it; unloading needs none",
    why: "asking for messages must not make a load fail",
  },
  {
    id: "status-debug",
    kexecTools: "after 2.0.32: `-S -d` looks at the normal image, `-S` at the crash kernel",
    onekexec: "`-d` does not change what `-S` looks at",
    why: "asking for messages must not change the answer",
  },
  {
    id: "reuse-words",
    kexecTools:
      '`--reuse-cmdline` cuts `BOOT_IMAGE="a b"` at its first blank, knows no blank but the space, and gives up where the name is inside another word',
    onekexec: "takes out each whole parameter, with quotes and blanks as the kernel reads them",
    why: "half of a quoted value is another parameter",
  },
  {
    id: "segments",
    kexecTools:
      "`kexec_load` with 4 to 7 segments for a Linux kernel, the lowest at 1 MiB; a larger purgatory",
    onekexec:
      "3 or 4: kernel, initrd, boot parameters with everything that they point to, purgatory; for a crash kernel 2 more, where kexec-tools has up to 9",
    why: "a kernel takes 16, and each one can collide; Linux's own loader does the same",
  },
  {
    id: "zero-page",
    kexecTools: "the next kernel's `root_dev` is the first IDE disk and read-only",
    onekexec: "what the image says, as in Linux's own loader",
    why: "a kernel that was built with a root device keeps it",
  },
  {
    id: "screen",
    kexecTools:
      'passes a frame buffer on where its driver is called "VESA VGA" or "EFI VGA", the latter with a size 65536 times too small; for other drivers none; without `/dev/fb0` the one from the boot of the running kernel',
    onekexec:
      "the frame buffer of the running kernel's boot, unchanged, while a driver (simpledrm too) draws on it or no driver has taken the card; none once the card's own driver has it, but its memory is still marked as taken; `--doctor` and plans say which, and why",
    why: "a screen should not stay black, and a kernel should not draw on what is not shown",
  },
  {
    id: "kept-memory",
    kexecTools:
      "`-c` puts segments anywhere in what the firmware calls RAM: over persistent memory (`memmap=…!…`), ramoops records and reserved memory (`memmap=…$…`), behind `mem=`",
    onekexec: 'only where it is "System RAM" for the running kernel, too (`/proc/iomem`)',
    why: "what is kept there would be lost; `-s` has always left it alone",
  },
  {
    id: "memory-types",
    kexecTools:
      '"Soft Reserved" and "Unusable memory" reach the next kernel as reserved, or not at all; persistent memory reaches a multiboot image as reserved',
    onekexec: "every range has the type that the firmware gave it, as with `-s`",
    why: "special-purpose memory (HBM, CXL) is lost to a kernel that takes it for reserved",
  },
  {
    id: "efi-data",
    kexecTools:
      "after UEFI, `-c` puts segments over what EFI left for every kernel: the memory attributes table, the boot logo (`efi_bgrt: Ignoring BGRT: Incorrect BMP magic number`)",
    onekexec: "leaves that memory as it is",
    why: "the running kernel keeps it for the next one, and says so in the EFI memory map",
  },
  {
    id: "purgatory-text",
    kexecTools: "`sha256 digests do not match :(`, and an endless busy loop",
    onekexec:
      "the same words, then which segment it is and both digests, which are XXH64; then the processor halts",
    why: "which segment it is says what overwrote it; XXH64 is 40 times as fast",
  },
  {
    id: "unload-and-start",
    kexecTools:
      "`-f -u` and `-e -u` unload and then try to start: `Nothing has been loaded!`, status 1; where `/sys` cannot be read, the network goes down first",
    onekexec: "`-u` takes back an `-e` or `-f` before it: unloads, status 0",
    why: "there is nothing left to start",
  },
  {
    id: "load-and-ifdown",
    kexecTools: "`-f -l` and `-e -l` load, and take the network down though nothing starts",
    onekexec: "loads; the network stays up",
    why: "interfaces go down on the way to another kernel, and not otherwise",
  },
  {
    id: "xen-library",
    kexecTools: "is linked to libxenctrl: where that is missing, not even `-v` starts",
    onekexec: "opens it at run time, only in a dom0, and does without it if it must",
    why: "one file for all machines",
  },
  {
    id: "xen-methods",
    kexecTools:
      "before 2.0.29, in a dom0: `-s` and `-a` call Linux's own kexec, which crashes dom0",
    onekexec: "Xen's kexec, as with `-c`",
    why: "dom0's memory is not the machine's",
  },
  {
    id: "xen-status",
    kexecTools: "`-S` in a dom0 gives Xen's answer, which each load and each unload turns over",
    onekexec: "loads and unloads so that it is right, and says what can make it wrong",
    why: "a status that changes with each question is none",
  },
  {
    id: "xen-placement",
    kexecTools:
      "in a dom0, segments lie at the top of memory, where Xen may spoil them as it loads",
    onekexec: "in memory that guests have",
    why: "the machine hangs after `-e` otherwise",
  },
  {
    id: "xen-nothing",
    kexecTools: "`-e` in a dom0 takes the network down before it finds that nothing is loaded",
    onekexec: "`Nothing has been loaded!`, status 1, and the network stays up",
    why: "a machine should not go down for nothing",
  },
  {
    id: "xen-pvh",
    kexecTools: "in a PVH dom0 it loads by Linux's own kexec, and `-e` resets the machine",
    onekexec: "refuses: Xen offers kexec to a PV dom0 only",
    why: "a machine should not go down for nothing",
  },
  {
    id: "crash-facts",
    kexecTools:
      "`-p` loads without `/sys/kernel/vmcoreinfo`; of damaged files it says `Cannot parse FILE:` and another call's error",
    onekexec: "refuses, and says what is in the file",
    why: "no tool can read a dump without it, and that would show only after the crash",
  },
  {
    id: "crash-cpus",
    kexecTools: "`-p` counts the CPUs and takes the first numbers: without a cpu1 the last is lost",
    onekexec: "takes every CPU that has notes",
    why: "numbers are left out where CPUs can come and go",
  },
  {
    id: "crash-low-memory",
    kexecTools:
      "`-p` with RAM that goes on beyond 640 KiB: saves 640 KiB, and the dump does not point to them",
    onekexec: "the dump has that memory where it was saved",
    why: "the crash kernel overwrites it",
  },
  {
    id: "crash-vmlinux",
    kexecTools:
      "`-p` with a `vmlinux`: `Invalid memory segment START - END`, status 1, unless `crashkernel=` names the address that it was linked for",
    onekexec: "loads a 64-bit one into the memory that is reserved, wherever that is",
    why: "64-bit Linux runs at any multiple of 2 MiB",
  },
  {
    id: "crash-kaslr",
    kexecTools:
      "`-p --pass-memmap-cmdline` leaves the kernel the whole memory map, in which it chooses its place by chance (KASLR), and overwrites some of what is to be dumped",
    onekexec: "adds `nokaslr` to its command line",
    why: "such a dump is damaged, and often no tool can read it",
  },
  {
    id: "crash-region",
    kexecTools: "`-p` with regions that overlap: `Cannot load FILE`, status 255",
    onekexec: "`No crash kernel segment found in /proc/iomem` and the ranges, status 254",
    why: "kexec-tools has these words, but its loader for Linux kernels loses them",
  },
  {
    id: "vmcore-header-class",
    kexecTools:
      "`vmcore-dmesg` takes a 64-bit kernel whose dump has 32-bit headers for a 32-bit one: `No program header covering vaddr`, status 30",
    onekexec: "finds the log there, and in a dump with physical addresses only too",
    why: "the machine's name and vmcoreinfo tell enough",
  },
  {
    id: "vmcore-cut",
    kexecTools: "`vmcore-dmesg` prints nothing of a printk ringbuffer that is not there in full",
    onekexec: "every record that can be read, then what is missing, and a status that is not 0",
    why: "a disk that was full when the dump was saved should not cost the whole log",
  },
  {
    id: "vmcore-exact-end",
    kexecTools:
      "`vmcore-dmesg` shows other bytes for a text that ends exactly at the ring's end, as Linux 6.19 may place it",
    onekexec: "the text",
    why: "it is the log",
  },
  {
    id: "vmcore-last-note",
    kexecTools: "`vmcore-dmesg` leaves out a last note that lacks its padding",
    onekexec: "reads it",
    why: "its contents are there",
  },
  {
    id: "vmcore-damaged",
    kexecTools:
      "`vmcore-dmesg` of a damaged dump may divide by zero, run for ever, or take any amount of memory",
    onekexec: "what can be read, what is wrong, and a status that is not 0",
    why: "a dump is of a machine that was broken",
  },
  {
    id: "vmcore-physical",
    kexecTools:
      "`vmcore-dmesg` of a dump with physical addresses only, as QEMU's dump-guest-memory writes them: `No program header covering vaddr`, status 30",
    onekexec: "finds the log of x86_64, arm64 and riscv64 kernels by what their vmcoreinfo says",
    why: "the page tables are in the dump",
  },
  {
    id: "vmcore-many-headers",
    kexecTools: "`vmcore-dmesg` takes 65,535 program headers of a dump that has more",
    onekexec: "all of them, up to 262,144",
    why: "the ELF format says where their number is then",
  },
  {
    id: "vmcore-reader-gone",
    kexecTools: "`vmcore-dmesg CORE | head` is ended by SIGPIPE",
    onekexec:
      "status 54 and the line of a failed write, which kexec-tools has where SIGPIPE is ignored",
    why: "the runtime ignores the signal",
  },
] as const satisfies readonly Difference[];

export type DifferenceId = (typeof DIFFERENCES)[number]["id"];

/** The row with this `id`: tests call it, and so every row can be looked for in the tests. */
export function difference(id: DifferenceId): Difference {
  const row = DIFFERENCES.find((one) => one.id === id);
  if (row === undefined) throw new RangeError(`no difference is called ${id}`);
  return row;
}
