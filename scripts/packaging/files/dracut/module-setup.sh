#! /bin/bash
# dracut: kexec for rescue images.

# Only where it is asked for: dracut --add kexec
check() {
	require_binaries /usr/sbin/kexec || return 1
	return 255
}

depends() {
	return 0
}

install() {
	inst_binary /usr/sbin/kexec
	inst_symlink /usr/sbin/vmcore-dmesg
	# Opened at run time, in a dom0 of Xen.
	inst_libdir_file "libxenctrl.so.*" 2>/dev/null || :
}
