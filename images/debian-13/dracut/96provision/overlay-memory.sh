#!/bin/sh
# The writable layer lives in memory of its own: in /run, where dracut puts it, it would share the 20 % of RAM that /run may take.
# provision.overlay_size= is a tmpfs size (default half of the RAM).
command -v getarg >/dev/null || . /lib/dracut-lib.sh

if getargbool 0 rd.live.overlay.overlayfs && [ ! -e /run/overlayfs ]; then
    _size=$(getarg provision.overlay_size=) || _size=50%
    mkdir -p /run/provision-overlay
    if mount -t tmpfs -o "mode=0755,size=${_size:-50%}" provision-overlay /run/provision-overlay; then
        mkdir -m 0755 /run/provision-overlay/upper /run/provision-overlay/work
        ln -s provision-overlay/upper /run/overlayfs
        ln -s provision-overlay/work /run/ovlwork
    fi
    unset _size
fi
