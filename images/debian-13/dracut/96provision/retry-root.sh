#!/bin/sh
# dracut tries to mount a network root once per interface. A head that is being restarted deserves more: try again every few seconds,
# and give up (emergency: report and reboot) when the head does not come back.
if [ ! -d "$NEWROOT/proc" ]; then
    for _done in /tmp/networkd.*.done; do
        [ -e "$_done" ] || break
        _tries=$((${_tries:-0} + 1))
        if [ "$_tries" -gt 12 ]; then
            rm -f "$_done"
            _tries=0
            die "The root file system could not be mounted after 12 attempts"
        fi
        . /usr/lib/provision-lib.sh
        /usr/bin/provision-report starting "root not mounted, attempt $_tries: $(provision_reason 2)" </dev/null >/dev/null 2>&1 &
        sleep 5
        rm -f "$_done"
    done
    unset _done
fi
