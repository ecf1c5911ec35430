#!/bin/sh
# The boot failed. A rack has nobody at its consoles: tell the head why and try again from the firmware. provision.shell on the kernel
# command line gives a shell instead.
command -v getarg >/dev/null || . /lib/dracut-lib.sh
. /usr/lib/provision-lib.sh

if [ ! -e /run/provision-failed ]; then
    : >/run/provision-failed
    _reason=$(provision_reason)
    /usr/bin/provision-report failed "$_reason" </dev/null >/dev/null 2>&1
    printf 'provision: boot failed\n%s\n' "$_reason" >/dev/console
fi
if getarg provision.shell >/dev/null; then
    echo SYSTEMD_SULOGIN_FORCE=1 >>/etc/cmdline.d/provision.conf # root has no password in here
    unset CMDLINE
else
    echo "provision: reboot in 20 seconds (provision.shell on the kernel command line gives a shell)" >/dev/console
    sleep 20
    reboot -f || echo b >/proc/sysrq-trigger
fi
