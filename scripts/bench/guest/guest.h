/* What the two programs of the downtime bench share: system calls without a libc. */

#include <stdint.h>

/* [linux arch/x86/entry/syscalls/syscall_64.tbl] */
#define SYS_WRITE 1
#define SYS_IOCTL 16
#define SYS_EXIT 60
#define SYS_UNAME 63
#define SYS_REBOOT 169
#define SYS_CLOCK_GETTIME 228

/* [linux include/uapi/linux/reboot.h] */
#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_MAGIC2 672274793
#define REBOOT_KEXEC 0x45584543
#define REBOOT_POWER_OFF 0x4321fedc

/* With any argument but 0 it waits until the terminal has sent everything (tcdrain).
 * [linux include/uapi/asm-generic/ioctls.h] */
#define TCSBRK 0x5409

static inline long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

static inline uint64_t time_stamp_counter(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline long say(const char *text)
{
	long length = 0;

	while (text[length])
		length++;
	return call(SYS_WRITE, 1, (long)text, length, 0);
}

static inline void say_number(const char *name, uint64_t value)
{
	char text[24];
	char *at = text + sizeof(text);

	*--at = 0;
	*--at = '\n';
	do
		*--at = '0' + value % 10;
	while (value /= 10);
	say(name);
	say(at);
}

static inline void drain(void)
{
	call(SYS_IOCTL, 1, TCSBRK, 1, 0);
}
