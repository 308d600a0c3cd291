/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot sector and the first instructions of a zImage whose real-mode code is zimage.c. Its
 * kernel, which build.ts appends, is not run: it is there to be found at 64 KiB. [x86-boot]
 */

#define SECTORS 8
#define KERNEL_SIZE 0x1000
#define PROTOCOL 0x0202
#define STACK_SIZE 2048

	.text
	.code16
	.org	0x1f1, 0
	.byte	SECTORS
	.word	0
	.long	KERNEL_SIZE / 16
	.word	0, 0, 0
	.word	0xaa55
	.globl	_start
_start:
	jmp	start
	.ascii	"HdrS"
	.word	PROTOCOL
	.long	0
	.word	0, 0
	.byte	0, 0			/* type_of_loader, loadflags: not loaded high */
	.word	0
	.long	0x1000			/* code32_start */
	.long	0, 0, 0
	.word	0
	.byte	0, 0
	.globl	cmd_line_ptr
cmd_line_ptr:
	.long	0

/* CS is 0x20 paragraphs into the segment that DS and SS are, which C needs not know: its jumps are
 * relative. */
start:	pushfl
	popl	%ebx
	movzwl	%sp, %ecx
	movl	$stack + STACK_SIZE, %esp
	xorl	%edx, %edx
	movw	%ds, %dx
	pushl	%ebx
	pushl	%ecx
	xorl	%eax, %eax
	movw	%cs, %ax
	pushl	%eax
	movw	%ss, %ax
	pushl	%eax
	movw	%es, %ax
	pushl	%eax
	pushl	%edx
	calll	program

#include "word-at.S"

	.data
	.balign	16
stack:	.skip	STACK_SIZE
	.section .note.GNU-stack, "", @progbits
