#!/bin/bash
# dracut module: what makes an initrd a Provision node's. Numbered after 95nfs, because it takes away what that installs for NFSv3.

check() {
    return 255 # only when asked for
}

depends() {
    echo bash systemd-networkd nfs overlayfs
}

install() {
    inst_multiple bash cat chmod chown cp cut find grep journalctl mkdir mount mv sleep stat tail timeout touch tr uniq
    inst_script "$moddir/provision-report.sh" /usr/bin/provision-report
    inst_simple "$moddir/provision-lib.sh" /usr/lib/provision-lib.sh

    inst_hook cmdline 98 "$moddir/boot-interface.sh" # before networkd-config (99)
    inst_hook initqueue/online 50 "$moddir/report-online.sh"
    inst_hook initqueue/settled 98 "$moddir/retry-root.sh"
    inst_hook pre-mount 00 "$moddir/overlay-memory.sh" # before prepare-overlayfs (01)
    inst_hook pre-pivot 20 "$moddir/lay-overlay.sh"    # after mount-overlayfs (10)
    inst_hook emergency 50 "$moddir/emergency.sh"
    inst_hook shutdown-emergency 50 "$moddir/emergency.sh"

    # NFSv4 needs none of the daemons of NFSv3, and starting them costs seconds.
    rm -f "$initdir"/usr/lib/dracut/hooks/pre-udev/99-nfs-start-rpc.sh "$initdir"/var/lib/dracut/hooks/pre-udev/99-nfs-start-rpc.sh \
        "$initdir"/usr/sbin/{rpcbind,rpc.statd,rpc.idmapd} "$initdir"/sbin/{rpcbind,rpc.statd,rpc.idmapd}
}
