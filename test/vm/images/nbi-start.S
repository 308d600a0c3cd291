/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network boot image's head and first instructions, for nbi.c: of 16 bits in segment SEGMENT with
 * REAL_MODE, else of 32 bits at 1 MiB. [nbi]
 */

#define MAGIC 0x1b031336
#define LOCATION 0x07c00000
#define STACK_SIZE 4096

	.text
	.balign	16
	.globl	_start
_start:
#ifdef REAL_MODE
	.code16
	/* The stack has the return address, the head, and the reply, each as offset and segment. */
	pushfl
	popl	%ebx
	popl	%ecx
	popl	%edx
	popl	%esi
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$stack + STACK_SIZE, %esp
	pushl	%ebx
	movl	%ecx, %eax
	call	linear
	pushl	%eax
	movl	%esi, %eax
	call	linear
	pushl	%eax
	movl	%edx, %eax
	call	linear
	pushl	%eax
	calll	program

linear:
	movl	%eax, %ebp
	shrl	$16, %ebp
	shll	$4, %ebp
	movzwl	%ax, %eax
	addl	%ebp, %eax
	ret

#include "word-at.S"

	/* struct registers: eax ebx ecx edx edi flags. */
	.macro	bios number
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	pushl	%ebp
	movl	20(%esp), %esi
	pushl	%esi
	movl	(%esi), %eax
	movl	4(%esi), %ebx
	movl	8(%esi), %ecx
	movl	12(%esi), %edx
	movl	16(%esi), %edi
	int	$\number
	popl	%esi
	pushfl
	popl	20(%esi)
	movl	%eax, (%esi)
	movl	%ebx, 4(%esi)
	popl	%ebp
	popl	%edi
	popl	%esi
	popl	%ebx
	retl
	.endm

	.globl	bios_15, bios_10
bios_15:
	bios	0x15
bios_10:
	bios	0x10

	.globl	wait_for_ticks
wait_for_ticks:
	movw	$0x40, %ax
	movw	%ax, %fs
	movl	%fs:0x6c, %edx
	movl	$3000000, %ecx
	sti
1:	inb	$0x21, %al
	movl	%fs:0x6c, %eax
	subl	%edx, %eax
	cmpl	$2, %eax
	jae	2f
	decl	%ecx
	jnz	1b
2:	cli
	retl
#else
	/* The stack has the return address, what the loader can do, the head, and the reply. */
	pushfl
	popl	%ebx
	popl	%ecx
	popl	%eax
	popl	%edx
	popl	%esi
	movl	$stack + STACK_SIZE, %esp
	pushl	%ebx
	pushl	%ecx
	pushl	%esi
	pushl	%edx
	call	program

	.globl	word_at
word_at:
	movl	4(%esp), %eax
	movl	(%eax), %eax
	ret
#endif

	.data
	.balign	16
stack:	.skip	STACK_SIZE
	.section .note.GNU-stack, "", @progbits
