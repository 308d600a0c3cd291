/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The "next kernel" of the purgatory's VM tests: it writes what it finds to QEMU's debug console as
 * raw bytes, and ends QEMU. Position-independent; purgatory-run.ts knows the report's layout.
 */

#define DEBUG_CONSOLE 0xe9
#define DEBUG_EXIT 0xf4
#define EXIT_VALUE 0x10

	.text
	.code64
	.globl	_start
_start:
	jmp	start

	/* Filled in by the test: memory to append to the report. */
	.org	0x10
dump_count:	.quad	0
dumps:		.skip	8 * 16		/* address, length */

	.balign	16
report:
	.ascii	"REPORT01"
registers:
	.skip	17 * 8		/* rax rbx rcx rdx rsi rdi rsp rbp r8 to r15, own address */
rflags:	.quad	0
selectors:
	.skip	6 * 2		/* cs ds es ss fs gs */
gdtr:	.skip	10
	.skip	2
gdt:	.skip	32
uart:	.skip	4		/* line control, modem control, divisor low and high */
vga:	.skip	1 + 5 + 25 + 9 + 21 + 1 + 192
	.balign	8
report_end:

start:
	movq	%rax, registers + 0x00(%rip)
	movq	%rbx, registers + 0x08(%rip)
	movq	%rcx, registers + 0x10(%rip)
	movq	%rdx, registers + 0x18(%rip)
	movq	%rsi, registers + 0x20(%rip)
	movq	%rdi, registers + 0x28(%rip)
	movq	%rsp, registers + 0x30(%rip)
	movq	%rbp, registers + 0x38(%rip)
	movq	%r8, registers + 0x40(%rip)
	movq	%r9, registers + 0x48(%rip)
	movq	%r10, registers + 0x50(%rip)
	movq	%r11, registers + 0x58(%rip)
	movq	%r12, registers + 0x60(%rip)
	movq	%r13, registers + 0x68(%rip)
	movq	%r14, registers + 0x70(%rip)
	movq	%r15, registers + 0x78(%rip)
	leaq	_start(%rip), %rax
	movq	%rax, registers + 0x80(%rip)
	/* The given stack must be usable. */
	pushfq
	popq	rflags(%rip)
	cld
	movw	%cs, selectors + 0(%rip)
	movw	%ds, selectors + 2(%rip)
	movw	%es, selectors + 4(%rip)
	movw	%ss, selectors + 6(%rip)
	movw	%fs, selectors + 8(%rip)
	movw	%gs, selectors + 10(%rip)
	sgdt	gdtr(%rip)
	movq	gdtr + 2(%rip), %rsi
	leaq	gdt(%rip), %rdi
	movl	$4, %ecx
	rep movsq

	leaq	uart(%rip), %rdi
	movw	$0x3fb, %dx
	insb
	incl	%edx
	insb
	movw	$0x3fb, %dx
	movb	$0x83, %al
	outb	%al, %dx
	movw	$0x3f8, %dx
	insb
	incl	%edx
	insb
	movw	$0x3fb, %dx
	movb	$0x03, %al
	outb	%al, %dx

	/* Appended memory before the VGA's registers are touched, if only as indices. */
	leaq	vga(%rip), %rdi
	movw	$0x3cc, %dx
	insb
	movw	$0x3c4, %dx
	movl	$5, %ecx
	call	indexed
	movw	$0x3d4, %dx
	movl	$25, %ecx
	call	indexed
	movw	$0x3ce, %dx
	movl	$9, %ecx
	call	indexed
	xorl	%ebx, %ebx
1:	movw	$0x3da, %dx
	inb	%dx, %al
	movw	$0x3c0, %dx
	movl	%ebx, %eax
	orl	$0x20, %eax
	outb	%al, %dx
	incl	%edx
	insb
	incl	%ebx
	cmpl	$21, %ebx
	jne	1b
	movw	$0x3c6, %dx
	insb
	incl	%edx
	xorl	%eax, %eax
	outb	%al, %dx
	movw	$0x3c9, %dx
	movl	$192, %ecx
	rep insb

	leaq	report(%rip), %rsi
	leaq	report_end(%rip), %rcx
	subq	%rsi, %rcx
	movw	$DEBUG_CONSOLE, %dx
	rep outsb
	leaq	dumps(%rip), %rbx
	movq	dump_count(%rip), %rbp
1:	testq	%rbp, %rbp
	jz	2f
	movq	(%rbx), %rsi
	movq	8(%rbx), %rcx
	rep outsb
	addq	$16, %rbx
	decq	%rbp
	jmp	1b
2:	movw	$DEBUG_EXIT, %dx
	movl	$EXIT_VALUE, %eax
	outl	%eax, %dx
3:	hlt
	jmp	3b

/* %ecx registers behind the index port %dx, to %rdi. */
indexed:
	xorl	%ebx, %ebx
1:	movl	%ebx, %eax
	outb	%al, %dx
	incl	%edx
	insb
	decl	%edx
	incl	%ebx
	loop	1b
	ret
	.balign	16
