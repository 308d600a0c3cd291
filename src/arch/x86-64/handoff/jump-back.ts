/**
 * The purgatory appends ` kexec_jump_back_entry=0x…` to the command line of a kernel that may jump
 * back to the running one: only the purgatory knows that address. [kexec-tools]
 */

/** Bytes that must be free after the command line's NUL; the same number as in
 * purgatory/entry.h. */
export const JUMP_BACK_ROOM = 48;
