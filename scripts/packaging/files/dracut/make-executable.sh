#! /bin/sh
# See module-setup.sh.
chmod 0755 /sbin/kexec
