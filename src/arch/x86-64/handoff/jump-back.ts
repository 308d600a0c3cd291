/**
 * What the purgatory appends to the command line of a kernel that may jump back to the running one:
 * ` kexec_jump_back_entry=0x…`, the address that only it knows. [kexec-tools]
 */

/** Bytes that must be free behind the command line's NUL. The purgatory's entry.h has the same. */
export const JUMP_BACK_ROOM = 48;
