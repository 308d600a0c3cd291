/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 32-bit "next kernel" of the purgatory's VM tests: it writes what it finds to QEMU's debug
 * console in purgatory-kernel.S's layout, and ends QEMU. Where that has r8, r9 and r10 this has CR0,
 * CR4 and EFER; what 32-bit code does not have is 0. Position-independent.
 */

#define DEBUG_CONSOLE 0xe9
#define DEBUG_EXIT 0xf4
#define EXIT_VALUE 0x10
#define MSR_EFER 0xc0000080
#define REPORT_SIZE 0x1d8

	.text
	.code32
	.globl	_start
_start:
	jmp	start

	.balign	16
report:
	.ascii	"REPORT01"
	.skip	REPORT_SIZE - 8

	/* The given stack must be usable: only through it the code learns where it is. */
start:	pushfl
	pushal
	call	1f
1:	popl	%ebp
	leal	report - 1b(%ebp), %ebx
	/* pushal's image, from its end: eax ecx edx ebx esp ebp esi edi. */
	movl	28(%esp), %eax
	movl	%eax, 0x08(%ebx)
	movl	16(%esp), %eax
	movl	%eax, 0x10(%ebx)
	movl	24(%esp), %eax
	movl	%eax, 0x18(%ebx)
	movl	20(%esp), %eax
	movl	%eax, 0x20(%ebx)
	movl	4(%esp), %eax
	movl	%eax, 0x28(%ebx)
	movl	0(%esp), %eax
	movl	%eax, 0x30(%ebx)
	movl	12(%esp), %eax
	addl	$4, %eax
	movl	%eax, 0x38(%ebx)
	movl	8(%esp), %eax
	movl	%eax, 0x40(%ebx)
	movl	%cr0, %eax
	movl	%eax, 0x48(%ebx)
	movl	%cr4, %eax
	movl	%eax, 0x50(%ebx)
	movl	$MSR_EFER, %ecx
	rdmsr
	movl	%eax, 0x58(%ebx)
	leal	_start - 1b(%ebp), %eax
	movl	%eax, 0x88(%ebx)
	movl	32(%esp), %eax
	movl	%eax, 0x90(%ebx)
	movw	%cs, 0x98(%ebx)
	movw	%ds, 0x9a(%ebx)
	movw	%es, 0x9c(%ebx)
	movw	%ss, 0x9e(%ebx)
	movw	%fs, 0xa0(%ebx)
	movw	%gs, 0xa2(%ebx)
	sgdt	0xa4(%ebx)
	cld
	movl	0xa6(%ebx), %esi
	leal	0xb0(%ebx), %edi
	movl	$8, %ecx
	rep movsl

	movl	%ebx, %esi
	movl	$REPORT_SIZE, %ecx
	movw	$DEBUG_CONSOLE, %dx
	rep outsb
	movw	$DEBUG_EXIT, %dx
	movl	$EXIT_VALUE, %eax
	outl	%eax, %dx
2:	hlt
	jmp	2b
	.balign	16
