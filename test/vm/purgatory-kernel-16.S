/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real-mode "next kernel" of the purgatory's VM tests: it writes what it finds to QEMU's debug
 * console in purgatory-kernel.S's layout, and ends QEMU. Where that has r8, r9 and r10 this has CR0,
 * the masks of both interrupt controllers, and how often the BIOS's clock ticked while this waited
 * for two ticks (0: never); in the GDT's place is the IDT. It is entered at offset 0 of its segment.
 */

#define DEBUG_CONSOLE 0xe9
#define DEBUG_EXIT 0xf4
#define EXIT_VALUE 0x10
#define REPORT_SIZE 0x1d8
#define PIC_1_MASK 0x21
#define PIC_2_MASK 0xa1
/* The BIOS's clock: its segment, and the offset of the ticks. */
#define BIOS_DATA 0x40
#define TICKS 0x6c
/* Turns of the loop that waits; each reads a port, which takes a microsecond or so. */
#define PATIENCE 3000000

	.text
	.code16
	.globl	_start
_start:
	jmp	start

	.balign	16
report:
	.ascii	"REPORT01"
	.skip	REPORT_SIZE - 8

	/* No register may change before it is written down, and the given stack must be usable. */
start:	pushfl
	popl	%cs:report + 0x90
	movl	%eax, %cs:report + 0x08
	movl	%ebx, %cs:report + 0x10
	movl	%ecx, %cs:report + 0x18
	movl	%edx, %cs:report + 0x20
	movl	%esi, %cs:report + 0x28
	movl	%edi, %cs:report + 0x30
	movl	%esp, %cs:report + 0x38
	movl	%ebp, %cs:report + 0x40
	movw	%cs, %cs:report + 0x98
	movw	%ds, %cs:report + 0x9a
	movw	%es, %cs:report + 0x9c
	movw	%ss, %cs:report + 0x9e
	movw	%fs, %cs:report + 0xa0
	movw	%gs, %cs:report + 0xa2
	sidtl	%cs:report + 0xa4
	movl	%cr0, %eax
	movl	%eax, %cs:report + 0x48
	inb	$PIC_2_MASK, %al
	movb	%al, %ah
	inb	$PIC_1_MASK, %al
	movw	%ax, %cs:report + 0x50

	movw	$BIOS_DATA, %ax
	movw	%ax, %es
	movl	%es:TICKS, %ebx
	movl	$PATIENCE, %ecx
	sti
1:	inb	$PIC_1_MASK, %al
	movl	%es:TICKS, %eax
	subl	%ebx, %eax
	cmpl	$2, %eax
	jae	2f
	decl	%ecx
	jnz	1b
2:	cli
	movl	%eax, %cs:report + 0x58

	cld
	movw	%cs, %ax
	movw	%ax, %ds
	movw	$report, %si
	movw	$REPORT_SIZE, %cx
	movw	$DEBUG_CONSOLE, %dx
	rep outsb
	movw	$DEBUG_EXIT, %dx
	movl	$EXIT_VALUE, %eax
	outl	%eax, %dx
3:	hlt
	jmp	3b
	.balign	16
