/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first instructions of program.c, in 32 or in 64 bits, and with MULTIBOOT or MULTIBOOT2 the
 * header that makes it an image of that kind. [multiboot §3.1] [multiboot2 §3.1]
 */

#define STACK 4096

	.text
	.balign	16
	.globl	_start
_start:
#ifdef __x86_64__
	movq	%rdi, %rdx
	leaq	stack + STACK(%rip), %rsp
	movl	%eax, %edi
	movl	%ebx, %esi
	call	program
#else
	xorl	%ecx, %ecx
#ifndef MULTIBOOT
#ifndef MULTIBOOT2
	/* What is called with an argument has it behind the return address; a multiboot image has no
	 * stack. */
	movl	4(%esp), %ecx
#endif
#endif
	movl	$stack + STACK, %esp
	pushl	%ecx
	pushl	%ebx
	pushl	%eax
	call	program
#endif

#ifdef MULTIBOOT
#define MAGIC 0x1badb002
#define FLAGS 3
	.balign	4
	.long	MAGIC, FLAGS, -(MAGIC + FLAGS)
#endif
#ifdef MULTIBOOT2
#define MAGIC 0xe85250d6
	.balign	8
header:
	.long	MAGIC, 0, header_end - header, -(MAGIC + (header_end - header))
	.word	0, 0
	.long	8
header_end:
#endif

	.bss
	.balign	16
stack:	.skip	STACK
	.section .note.GNU-stack, "", @progbits
