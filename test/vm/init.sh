#!/bin/busybox sh
# PID 1 of both kernels of a VM test. Each says what it sees; then the first one runs /case.sh. The
# second one is known by the word `second` on its command line. Both power off at the end.

/bin/busybox --install -s /bin
export PATH=/sbin:/bin HOME=/
mkdir -p /proc /sys /dev /tmp /run
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs debugfs /sys/kernel/debug
# Nothing of the kernel may fall between the words of a line that a test reads.
dmesg -n 1

# run NAME COMMAND...: its output, line by line, and its exit status.
run() {
	run_name=$1
	shift
	echo "BEGIN $run_name"
	{
		"$@" </dev/null
		echo $? >/run/status
	} 2>&1 | awk '{ print "| " $0 }'
	echo "END $run_name rc=$(cat /run/status)"
}

# In a dom0. xen_modules: /dev/xen/privcmd and its like, for programs that speak to Xen; xen_fs,
# after it: /proc/xen. A case that wants neither has a dom0 without.
xen_modules() {
	insmod /boot/modules/xen-privcmd.ko
	insmod /boot/modules/xen-evtchn.ko
}
xen_fs() {
	insmod /boot/modules/xenfs.ko
	mount -t xenfs xenfs /proc/xen
}

say() {
	echo "$who $1=$2"
}

# say_lines KEY PATTERN: the kernel's own lines that match, without their times.
say_lines() {
	dmesg | grep -E "$2" | sed -E "s/^\[ *[0-9.]+\] /$who $1=/"
}

# number OFFSET: eight bytes of the dump, little-endian.
number() {
	echo $((0x$(dd if=/proc/vmcore bs=8 skip=$(($1 / 8)) count=1 2>/dev/null | od -A n -t x8 | tr -d ' ')))
}

# In a crash kernel: what the dump has. Its first program header is that of all notes, one of "CORE"
# for each CPU. One of the next two is that of the lowest RAM, which a case may have put a word in.
describe_dump() {
	say vmcore "$(ls -l /proc/vmcore | awk '{ print $5 }')"
	say dmesg-marked "$(vmcore-dmesg /proc/vmcore 2>/run/vmcore-dmesg |
		grep -c 'the last word before the crash')"
	say vmcore-dmesg "$(head -n 1 /run/vmcore-dmesg)"
	if [ -e /opt/onekexec/vmcore-dmesg ]; then
		vmcore-dmesg /proc/vmcore >/dev/null 2>&1
		say their-status $?
		/opt/onekexec/vmcore-dmesg /proc/vmcore >/run/ours 2>/run/our-errors
		say our-status $?
		say our-marked "$(grep -c 'the last word before the crash' /run/ours)"
		say our-errors "$(head -n 1 /run/our-errors)"
	fi
	dd if=/proc/vmcore of=/run/notes bs=1 skip=$(number 72) count=$(number 96) 2>/dev/null
	say vmcore-cpus "$(strings -n 4 /run/notes | grep -c '^CORE')"
	for header in 120 176; do
		start=$(number $((header + 24)))
		[ "$start" -ge 0 ] && [ "$start" -le 4096 ] || continue
		say vmcore-low "$start"
		word=$(($(number $((header + 8))) + 0x5000 - start))
		say vmcore-word "$(dd if=/proc/vmcore bs=8 skip=$((word / 8)) count=1 2>/dev/null | strings)"
	done
	[ -e /bin/makedumpfile ] && save_dump
}

# In a crash kernel that has makedumpfile and a disk: what makedumpfile leaves of the dump, on the
# disk from its first byte on. It tells what it leaves out, and not how far it is.
save_dump() {
	for module in /boot/modules/*.ko; do insmod "$module"; done
	run makedumpfile makedumpfile --message-level 22 -f -E -d 31 /proc/vmcore /dev/vda
	sync
}

# describe WHO: what this kernel sees, one "WHO key=value" a line.
describe() {
	who=$1
	say release "$(uname -r)"
	say cmdline "$(cat /proc/cmdline)"
	say uptime "$(cut -d ' ' -f 1 /proc/uptime)"
	say memory-kib "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
	say cpus "$(grep -c '^processor' /proc/cpuinfo)"
	say guest-type "$(cat /sys/hypervisor/guest_type 2>/dev/null)"
	say efi "$([ -d /sys/firmware/efi ] && echo yes || echo no)"
	for map in /sys/firmware/efi/runtime-map/*; do
		[ -d "$map" ] || continue
		say runtime-map "$(cd "$map" && cat type phys_addr num_pages attribute | tr '\n' ' ')"
	done
	say boot-logo "$(sha256sum /sys/firmware/acpi/bgrt/image 2>/dev/null | cut -d ' ' -f 1)"
	say proof "$(sha256sum /proof 2>/dev/null | cut -d ' ' -f 1)"
	say kernel-code "$(awk '/ : Kernel code/ { print $1 }' /proc/iomem)"
	say framebuffer "$(cat /proc/fb 2>/dev/null)"
	say framebuffer-memory "$(awk '/ : (efifb|vesafb|bochs-drm)$/ { print $1 }' /proc/iomem | head -n 1)"
	say screen-info "$(od -A n -v -t x1 -N 64 /sys/kernel/boot_params/data | tr -d ' \n')"
	for setup_data in /sys/kernel/boot_params/setup_data/*; do
		[ -f "$setup_data/type" ] || continue
		say setup-data "$(cat "$setup_data/type")"
		[ "$(cat "$setup_data/type")" = 0x2 ] &&
			say device-tree "$(sha256sum "$setup_data/data" | cut -d ' ' -f 1)"
	done
	[ -e /proc/vmcore ] && describe_dump
	say_lines rsdp 'ACPI: RSDP '
	say_lines e820 'BIOS-e820: '
	say_lines initrd 'RAMDISK: '
	say_lines random 'random: '
	say_lines efi-lines ' efi: '
	say_lines console 'Console: '
	say end yes
}

case " $(cat /proc/cmdline) " in
*" second "*)
	who=SECOND
	# What a case adds to what its second kernel says.
	[ -e /second.sh ] && . /second.sh
	describe SECOND
	;;
*)
	describe FIRST
	. /case.sh
	echo "CASE end"
	;;
esac
# A machine that is off sends no more: wait until the console has sent what was said. (stty drains.)
stty opost
poweroff -f
