/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In real mode, for C: the 32-bit word at a linear address below 1 MiB. To be included. */

	.globl	word_at
word_at:
	movl	4(%esp), %eax
	movl	%eax, %ecx
	shrl	$4, %ecx
	andl	$15, %eax
	movw	%cx, %fs
	movl	%fs:(%eax), %eax
	retl
