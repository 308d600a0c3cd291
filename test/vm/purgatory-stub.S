/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The "last kernel" of the purgatory's VM tests: QEMU starts it by Multiboot, it goes to 64-bit
 * mode, puts pieces of its own file where the case wants them, spoils everything that the purgatory
 * must not rely on, and jumps. [multiboot 0.6.96]
 *
 * It is assembled flat for STUB_BASE. The test appends the pieces and fills in the table `config`.
 */

#define STUB_BASE 0x100000
#define PAGE_TABLES 0x10000
#define MAPPED_GIB 8

#define CONFIG_SPOIL_VGA 1
#define CONFIG_SCREEN_START 2

	.text
	.code32
	.globl	_start
_start:
	jmp	start32

	.balign	16
header:
	.long	0x1badb002
	.long	0x00010000		/* the address fields below count */
	.long	-(0x1badb002 + 0x00010000)
	.long	STUB_BASE + header - _start
	.long	STUB_BASE
	.long	0			/* load the whole file */
	.long	0
	.long	STUB_BASE

	.org	0x40
config:
config_entry:	.quad	0
config_flags:	.long	0
config_screen_start: .long 0
config_divisor:	.long	0		/* given to the first serial port */
config_count:	.long	0
config_stack:	.quad	0
config_copies:	.skip	32 * 24		/* from (in memory), to, length */

start32:
	cli
	/* Identity map in 2 MiB pages. */
	movl	$PAGE_TABLES, %edi
	xorl	%eax, %eax
	movl	$(2 + MAPPED_GIB) * 1024, %ecx
	cld
	rep stosl
	movl	$PAGE_TABLES + 0x1003, PAGE_TABLES
	movl	$PAGE_TABLES + 0x2003, %eax
	movl	$PAGE_TABLES + 0x1000, %edi
	movl	$MAPPED_GIB, %ecx
1:	movl	%eax, (%edi)
	addl	$0x1000, %eax
	addl	$8, %edi
	loop	1b
	movl	$PAGE_TABLES + 0x2000, %edi
	movl	$0x83, %eax
	xorl	%edx, %edx
	movl	$MAPPED_GIB * 512, %ecx
1:	movl	%eax, (%edi)
	movl	%edx, 4(%edi)
	addl	$0x200000, %eax
	adcl	$0, %edx
	addl	$8, %edi
	loop	1b

	movl	$PAGE_TABLES, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax		/* PAE, and no SSE: as Xen leaves it */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	movl	%eax, %cr0
	lgdt	STUB_BASE + gdt_pointer - _start
	ljmpl	$0x28, $STUB_BASE + start64 - _start

	.code64
start64:
	movl	$0x30, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs

	leaq	config_copies(%rip), %rbx
	movl	config_count(%rip), %ebp
	testl	%ebp, %ebp
	jz	2f
1:	movq	(%rbx), %rsi
	movq	8(%rbx), %rdi
	movq	16(%rbx), %rcx
	rep movsb
	addq	$24, %rbx
	decl	%ebp
	jnz	1b
2:
	movw	$0x3fb, %dx		/* line control: divisor latch */
	movb	$0x83, %al
	outb	%al, %dx
	movw	$0x3f8, %dx
	movl	config_divisor(%rip), %eax
	outb	%al, %dx
	incl	%edx
	movb	%ah, %al
	outb	%al, %dx
	movw	$0x3fb, %dx
	movb	$0x1b, %al		/* not what a console wants: 8 bits, even parity */
	outb	%al, %dx

	testl	$CONFIG_SCREEN_START, config_flags(%rip)
	jz	3f
	movl	config_screen_start(%rip), %ecx
	movw	$0x3d4, %dx
	movb	$0x0c, %al
	movb	%ch, %ah
	outw	%ax, %dx
	movb	$0x0d, %al
	movb	%cl, %ah
	outw	%ax, %dx
3:
	testl	$CONFIG_SPOIL_VGA, config_flags(%rip)
	jz	4f
	/* Index and value in one word; the values are nonsense. */
	movw	$0x3c4, %dx
	movl	$0x5a04, %eax
	movl	$4, %ecx
1:	outw	%ax, %dx
	decl	%eax
	loop	1b
	movw	$0x3d4, %dx
	movw	$0x0011, %ax		/* registers 0 to 7 may be written... */
	outw	%ax, %dx
	movl	$0xdb00, %eax
	movl	$25, %ecx
1:	outw	%ax, %dx		/* ...and from register 0x11 on no longer */
	incl	%eax
	loop	1b
	movw	$0x3ce, %dx
	movl	$0x2508, %eax
	movl	$9, %ecx
1:	outw	%ax, %dx
	decl	%eax
	loop	1b
	movw	$0x3c8, %dx
	xorl	%eax, %eax
	outb	%al, %dx
	incl	%edx
	movl	$768, %ecx
1:	movl	%ecx, %eax
	andl	$0x3f, %eax
	outb	%al, %dx
	loop	1b
	movw	$0x3c6, %dx
	movb	$0x0f, %al
	outb	%al, %dx
	movw	$0x3da, %dx
	inb	%dx, %al
	movw	$0x3c0, %dx
	movl	$0x14, %ecx
1:	movl	%ecx, %eax
	outb	%al, %dx
	xorb	$0x3f, %al
	outb	%al, %dx
	decl	%ecx
	jns	1b
	/* Leaves the port waiting for a value, and the CRT controller at its monochrome address. */
	movb	$0x03, %al
	outb	%al, %dx
	movw	$0x3c2, %dx
	xorl	%eax, %eax
	outb	%al, %dx
4:
	/* A GDT that is not mapped, an IDT without entries, a stack that is mostly not mapped, no register
	 * with a usable value, strings going backwards. */
	leaq	no_gdt(%rip), %rax
	lgdt	(%rax)
	lidt	no_idt(%rip)
	movq	config_entry(%rip), %rax
	movq	%rax, entry(%rip)
	leaq	flags_stack(%rip), %rsp
	pushq	$0x40ed7		/* AC, DF, TF off, IOPL 0, every arithmetic flag */
	andq	$~0x300, (%rsp)
	popfq
	movq	config_stack(%rip), %rsp
	movabsq	$0xdeadbeefdeadbeef, %rax
	movq	%rax, %rbx
	movq	%rax, %rcx
	movq	%rax, %rdx
	movq	%rax, %rsi
	movq	%rax, %rdi
	movq	%rax, %rbp
	movq	%rax, %r8
	movq	%rax, %r9
	movq	%rax, %r10
	movq	%rax, %r11
	movq	%rax, %r12
	movq	%rax, %r13
	movq	%rax, %r14
	movq	%rax, %r15
	jmpq	*entry(%rip)

	.balign	16
entry:	.quad	0
	.skip	32
flags_stack:
gdt:
	.quad	0, 0, 0, 0, 0
	.quad	0x00af9b000000ffff	/* 0x28: 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x30: data */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	STUB_BASE + gdt - _start
no_gdt:
	.word	0x7f
	.quad	0x00007fff00000000
no_idt:
	.word	0
	.quad	0
	.balign	0x1000
