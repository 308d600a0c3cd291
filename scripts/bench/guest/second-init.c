/*
 * PID 1 of the second kernel: reads the time stamp counter first of all, then the kernel's own
 * clock, says both and the kernel's release, and powers the machine off.
 */

#include "guest.h"

/* [linux include/uapi/linux/time.h] */
#define CLOCK_BOOTTIME 7

/* struct new_utsname: six fields of this size, of which the third is the release.
 * [linux include/uapi/linux/utsname.h] */
#define NAME_SIZE 65

__attribute__((noreturn)) void _start(void)
{
	uint64_t counter = time_stamp_counter();
	struct { int64_t seconds, nanoseconds; } clock = { 0, 0 };
	char names[6][NAME_SIZE] = { { 0 } };

	call(SYS_CLOCK_GETTIME, CLOCK_BOOTTIME, (long)&clock, 0, 0);
	call(SYS_UNAME, (long)names, 0, 0, 0);
	say_number("SECOND tsc=", counter);
	say_number("SECOND boottime-ns=", clock.seconds * 1000000000 + clock.nanoseconds);
	say("SECOND release=");
	say(names[2]);
	say("\nSECOND end=yes\n");
	drain();
	call(SYS_REBOOT, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF, 0);
	for (;;)
		;
}
