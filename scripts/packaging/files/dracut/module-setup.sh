#! /bin/bash
# dracut: kexec for rescue images.

# Only where it is asked for: dracut --add kexec
check() {
	require_binaries /sbin/kexec || return 1
	return 255
}

depends() {
	return 0
}

install() {
	local program
	program=$(readlink -f /sbin/kexec)
	# With its libraries: dracut looks for those of executables later.
	DRACUT_RESOLVE_DEPS=1 inst_binary "$program"
	inst_symlink /sbin/vmcore-dmesg
	# Opened at run time, in a dom0 of Xen.
	inst_libdir_file "libxenctrl.so.*" 2>/dev/null || :
	# dracut strips what is executable, and that destroys it: it becomes so at the start.
	chmod 0644 "${initdir}$program"
	inst_hook cmdline 01 "$moddir/make-executable.sh"
}
