/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handler of SIGBUS for x86_64: bus-errors.ts says what it is for, and bus-error-code.ts has
 * its bytes. It runs on whatever thread touched the page, so it calls nothing but the kernel, and
 * keeps to the registers that a C function may change. Its data lie HANDLER_PAGES bytes behind its
 * start: the code is not writable, the data are not executable.
 */

/* The offset of the data, and what is in them: bus-errors.ts has the same numbers. */
#define HANDLER_PAGES 0x10000
#define MAPPINGS 32
#define ENTRY_SIZE 24
#define ENTRY_END 8
#define ENTRY_FAILED 16
#define PREVIOUS_ACTION (MAPPINGS * ENTRY_SIZE)

/* siginfo_t. [linux include/uapi/asm-generic/siginfo.h] */
#define SI_CODE 8
#define SI_ADDR 16

/* [linux arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/mman-common.h] */
#define SYS_MMAP 9
#define SYS_RT_SIGACTION 13
#define SYS_RT_SIGRETURN 15
#define PROT_READ 1
#define MAP_PRIVATE_FIXED_ANONYMOUS (0x02 | 0x10 | 0x20)
#define SIGBUS 7
#define SIGNAL_SET_SIZE 8
#define PAGE_MASK (-4096)
/* A system call returns minus an error number: -4095 to -1. */
#define LOWEST_ERROR (-4095)

	.text
	.set	data, start + HANDLER_PAGES

/* SA_RESTORER: where the kernel lets a handler return to. */
start:
	movl	$SYS_RT_SIGRETURN, %eax
	syscall

/* void handler(int signal, siginfo_t *info, void *context) */
	.balign	16
handler:
	/* Sent by kill(2): si_addr has no address. */
	cmpl	$0, SI_CODE(%rsi)
	jle	foreign
	movq	SI_ADDR(%rsi), %rdi

	leaq	data(%rip), %r8
	movl	$MAPPINGS, %ecx
1:	cmpq	(%r8), %rdi
	jb	2f
	cmpq	ENTRY_END(%r8), %rdi
	jb	failed
2:	addq	$ENTRY_SIZE, %r8
	decl	%ecx
	jnz	1b

/* Not ours: the action that was there before takes over, and the instruction is run again. */
foreign:
	movl	$SIGBUS, %edi
	leaq	data + PREVIOUS_ACTION(%rip), %rsi
	xorl	%edx, %edx
	movl	$SIGNAL_SET_SIZE, %r10d
	movl	$SYS_RT_SIGACTION, %eax
	syscall
	ret

/* Zeros from this page on to the end of the mapping: one signal for all pages behind it. */
failed:
	movq	$1, ENTRY_FAILED(%r8)
	movq	ENTRY_END(%r8), %rsi
	andq	$PAGE_MASK, %rdi
	subq	%rdi, %rsi
	movl	$PROT_READ, %edx
	movl	$MAP_PRIVATE_FIXED_ANONYMOUS, %r10d
	movq	$-1, %r8
	xorl	%r9d, %r9d
	movl	$SYS_MMAP, %eax
	syscall
	cmpq	$LOWEST_ERROR, %rax
	jae	foreign
	ret

	.section .note.GNU-stack, "", @progbits
