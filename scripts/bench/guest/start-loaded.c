/*
 * PID 1 of the first kernel at its end: chooses an instant of the time stamp counter, prints it,
 * waits until it has come, and starts the loaded kernel. So the printing is over before the instant,
 * and nothing has to be printed after the system call.
 */

#include "guest.h"

/* Until the reboot: more than a line takes on the serial port at 115,200 baud. With one instruction
 * a nanosecond the counter runs at 1 GHz, so this is 0.2 s. */
#define DELAY 200000000

__attribute__((noreturn)) void _start(void)
{
	uint64_t at = time_stamp_counter() + DELAY;

	say_number("FIRST reboot-tsc=", at);
	drain();
	if (time_stamp_counter() >= at) {
		say("the serial port was too slow\n");
		call(SYS_EXIT, 1, 0, 0, 0);
	}
	while (time_stamp_counter() < at)
		;
	call(SYS_REBOOT, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_KEXEC, 0);
	say("no kernel is loaded\n");
	call(SYS_EXIT, 1, 0, 0, 0);
	__builtin_unreachable();
}
