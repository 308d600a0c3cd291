/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both ends of the purgatory: from whatever state the last kernel left to one in which C can run,
 * and from there to the state that the next kernel wants.
 *
 * On entry: 64-bit long mode, interrupts off, this code and all segments mapped one to one, and
 * nothing else to rely on. Xen's last stack is 16 words in a page of its own, and its GDT is not
 * mapped; Linux has made the GDT and the IDT invalid. [xen arch/x86/x86_64/kexec_reloc.S]
 * [linux arch/x86/kernel/machine_kexec_64.c]
 *
 * What it does not do: it leaves the FPU as it is, the IDT but for real mode, and for a kernel that
 * is entered in 64-bit mode also paging, CR0, CR4 and MSRs.
 */

#include "entry.h"

/* The selectors of the boot protocol: __BOOT_CS and __BOOT_DS. [x86-boot 64-bit boot protocol] */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

/* Nothing but the bit that is always set: no interrupts, forward strings, no tracing. */
#define RFLAGS_CLEAN 0x2

/* Bits of CR0 and CR4, and the MSR that has long mode's switch. */
#define CR0_PE 0x1
#define CR0_ET 0x10
#define CR4_PAE 0x20
#define CR4_LA57 0x1000
#define MSR_EFER 0xc0000080
#define EFER_SCE 0x1
#define EFER_LME 0x100
#define EFER_NXE 0x800

	.section .head, "ax"
	.code64
	.globl	purgatory_start
purgatory_start:
	jmp	start

	.org	purgatory_start + PARAMETERS_IN_BLOB, 0
	.globl	purgatory_parameters
	.hidden	purgatory_parameters
purgatory_parameters:
	.quad	PARAMETERS_MAGIC_VALUE
	.long	PARAMETERS_VERSION_NOW
	.long	PARAMETERS_END
	.org	purgatory_parameters + PARAMETERS_END, 0

start:
	cli
	movq	%rsp, %r12
	leaq	purgatory_stack_end(%rip), %rsp
	pushq	$RFLAGS_CLEAN
	popfq

	/* The GDT's address is known only now, so its descriptor is made on the stack. */
	leaq	gdt(%rip), %rax
	pushq	%rax
	pushw	$gdt_end - gdt - 1
	lgdt	(%rsp)
	addq	$10, %rsp
	movl	$BOOT_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	pushq	$BOOT_CS
	leaq	1f(%rip), %rax
	pushq	%rax
	lretq
1:
	/* The ABI wants 16-byte alignment here, and the end of the stack is page-aligned. */
	xorl	%ebp, %ebp
	leaq	purgatory_parameters(%rip), %rdi
	/* A kernel that can be jumped back to calls the purgatory: its own stack has the address. Others
	 * may leave no stack that can be read. [linux arch/x86/kernel/relocate_kernel_64.S] */
	xorl	%esi, %esi
	cmpq	$0, PARAMETERS_JUMP_BACK_TEXT(%rdi)
	je	2f
	movq	(%r12), %rsi
2:	call	purgatory

	cmpl	$ENTRY_MODE_64, purgatory_parameters + PARAMETERS_ENTRY_MODE(%rip)
	jne	leave_64

	movq	purgatory_parameters + PARAMETERS_RSP(%rip), %rax
	testq	%rax, %rax
	cmovzq	%rsp, %rax
	pushq	$RFLAGS_CLEAN
	popfq
	movq	%rax, %rsp
	movq	purgatory_parameters + PARAMETERS_RAX(%rip), %rax
	movq	purgatory_parameters + PARAMETERS_RBX(%rip), %rbx
	movq	purgatory_parameters + PARAMETERS_RCX(%rip), %rcx
	movq	purgatory_parameters + PARAMETERS_RDX(%rip), %rdx
	movq	purgatory_parameters + PARAMETERS_RSI(%rip), %rsi
	movq	purgatory_parameters + PARAMETERS_RDI(%rip), %rdi
	movq	purgatory_parameters + PARAMETERS_RBP(%rip), %rbp
	movq	purgatory_parameters + PARAMETERS_R8(%rip), %r8
	movq	purgatory_parameters + PARAMETERS_R9(%rip), %r9
	movq	purgatory_parameters + PARAMETERS_R10(%rip), %r10
	movq	purgatory_parameters + PARAMETERS_R11(%rip), %r11
	movq	purgatory_parameters + PARAMETERS_R12(%rip), %r12
	movq	purgatory_parameters + PARAMETERS_R13(%rip), %r13
	movq	purgatory_parameters + PARAMETERS_R14(%rip), %r14
	movq	purgatory_parameters + PARAMETERS_R15(%rip), %r15
	jmpq	*purgatory_parameters + PARAMETERS_RIP(%rip)

/* All of this lies below 4 GiB, mapped one to one: paging may end under it. */
leave_64:
	leaq	purgatory_parameters(%rip), %rbx
	/* PCIDE and CET would forbid the next steps; PAE and LA57 can only go once paging is off. */
	movq	%cr4, %rax
	andl	$(CR4_PAE | CR4_LA57), %eax
	movq	%rax, %cr4
	leaq	gdt_32(%rip), %rax
	pushq	%rax
	pushw	$gdt_32_end - gdt_32 - 1
	lgdt	(%rsp)
	addq	$10, %rsp
	leaq	start_16(%rip), %rbp
	pushq	$BOOT_CS
	leaq	start_32(%rip), %rax
	pushq	%rax
	lretq

	/* Sections by the width of their code, for the disassembler. */
	.section .text32, "ax"
	.code32
start_32:
	movl	$(CR0_PE | CR0_ET), %eax
	movl	%eax, %cr0
	movl	$BOOT_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$MSR_EFER, %ecx
	rdmsr
	andl	$~(EFER_LME | EFER_SCE | EFER_NXE), %eax
	wrmsr
	xorl	%eax, %eax
	movl	%eax, %cr4
	movl	%eax, %cr3
	cmpl	$ENTRY_MODE_16, PARAMETERS_ENTRY_MODE(%ebx)
	je	enter_16

	/* With every register in use, only immediate operands can name the stack and the entry: the
	 * last two instructions, "movl $esp, %esp; jmp eip", are written here. */
	movl	PARAMETERS_RSP(%ebx), %ecx
	testl	%ecx, %ecx
	cmovzl	%esp, %ecx
	leal	-16(%esp), %edx
	movb	$0xbc, (%edx)
	movl	%ecx, 1(%edx)
	movb	$0xe9, 5(%edx)
	leal	10(%edx), %ecx
	movl	PARAMETERS_RIP(%ebx), %eax
	subl	%ecx, %eax
	movl	%eax, 6(%edx)
	movl	%edx, %esp
	pushl	%edx
	pushl	PARAMETERS_RAX(%ebx)
	pushl	PARAMETERS_RCX(%ebx)
	pushl	PARAMETERS_RDX(%ebx)
	pushl	PARAMETERS_RBX(%ebx)
	pushl	$0			/* popal does not take esp from here */
	pushl	PARAMETERS_RBP(%ebx)
	pushl	PARAMETERS_RSI(%ebx)
	pushl	PARAMETERS_RDI(%ebx)
	pushl	$RFLAGS_CLEAN
	popfl
	popal
	ret

/* All of this lies below 1 MiB. Segments of 64 KiB lead over: the code's begins at its section, the
 * data's and the stack's at the purgatory's start. Their descriptors are made on the stack. */
enter_16:
	/* As above, with far pointers. */
	movw	PARAMETERS_RIP(%ebx), %ax
	movw	%ax, jump_16 - start_16 + 1(%ebp)
	movw	PARAMETERS_CS(%ebx), %ax
	movw	%ax, jump_16 - start_16 + 3(%ebp)
	movw	PARAMETERS_SS(%ebx), %ax
	movw	%ax, PARAMETERS_RSP + 4(%ebx)

	subl	$PARAMETERS_IN_BLOB, %ebx
	movl	$0x93, %edx		/* BOOT_DS: data */
	movl	%ebx, %ecx
	call	push_descriptor
	movl	$0x9b, %edx		/* BOOT_CS: code */
	movl	%ebp, %ecx
	call	push_descriptor
	xorl	%edx, %edx
	xorl	%ecx, %ecx
	call	push_descriptor
	call	push_descriptor
	pushl	%esp
	pushw	$BOOT_DS + 7
	lgdt	(%esp)
	ljmp	$BOOT_CS, $0

/* Of 16 bits and 64 KiB, with kind %dl and base %ecx, which is below 1 MiB. */
push_descriptor:
	popl	%esi
	movl	%ecx, %eax
	shrl	$16, %eax
	movb	%dl, %ah
	pushl	%eax
	movl	%ecx, %eax
	shll	$16, %eax
	movw	$0xffff, %ax
	pushl	%eax
	jmp	*%esi

	/* Real mode keeps the limits of segments that were loaded before it. */
	.section .text16, "ax"
	.code16
start_16:
	movw	$BOOT_DS, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	subl	%ebx, %esp
	movl	$CR0_ET, %eax
	movl	%eax, %cr0
	shrl	$4, %ebp
	pushw	%bp
	pushw	$1f - start_16
	lretw
1:	lidtl	%cs:vectors - start_16
	shrl	$4, %ebx
	movw	%bx, %ds
	movw	%bx, %ss
	movw	PARAMETERS_IN_BLOB + PARAMETERS_ES, %es
	movw	PARAMETERS_IN_BLOB + PARAMETERS_FS, %fs
	movw	PARAMETERS_IN_BLOB + PARAMETERS_GS, %gs
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RAX
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RCX
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RDX
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RBX
	pushl	$0			/* popal does not take esp from here */
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RBP
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RSI
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_RDI
	pushl	PARAMETERS_IN_BLOB + PARAMETERS_FLAGS_16
	popfl
	popal
	movw	PARAMETERS_IN_BLOB + PARAMETERS_DS, %ds
	lssl	%ss:PARAMETERS_IN_BLOB + PARAMETERS_RSP, %esp
jump_16:
	ljmpw	$0, $0

	/* The interrupt vectors of real mode: 256 of them, at address 0. */
vectors:
	.word	0x3ff
	.long	0
	.code64

	/* The "accessed" bits are set, so the CPU never writes here. The next kernel runs on this
	 * table until it has made its own. */
	.section .rodata, "a"
	.balign	16
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	/* BOOT_CS: 64-bit code */
	.quad	0x00cf93000000ffff	/* BOOT_DS: flat data */
gdt_end:
gdt_32:
	.quad	0
	.quad	0
	.quad	0x00cf9b000000ffff	/* BOOT_CS: flat 32-bit code */
	.quad	0x00cf93000000ffff	/* BOOT_DS */
gdt_32_end:

	.section .note.GNU-stack, "", @progbits
