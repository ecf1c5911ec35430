#!/bin/bash
# Turns the freshly installed Debian tree into the node image. mmdebstrap runs it as --customize-hook with the root directory as $1.
#
#   NODE_BINARY        Node 26 for the image's architecture
#   DRACUT_MODULES     space-separated, from image.yaml
#   DRACUT_DRIVERS     space-separated, from image.yaml
#   SOURCE_DATE_EPOCH  the image's time
set -euo pipefail
umask 022

root=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${NODE_BINARY:?}" "${DRACUT_MODULES:?}" "${DRACUT_DRIVERS:?}" "${SOURCE_DATE_EPOCH:?}"

# Modes are set here and not taken from the checkout, whose umask and owner may be anything.
copy_tree() { # from to
    local from=$1 to=$2 path mode
    while IFS= read -r -d '' path; do
        if [[ -d $from/$path ]]; then
            [[ -d $to/$path ]] || install -d -m 0755 -o 0 -g 0 "$to/$path"
        elif [[ -L $from/$path ]]; then
            ln -sfn "$(readlink "$from/$path")" "$to/$path"
        else
            mode=0644
            [[ -x $from/$path ]] && mode=0755
            install -m "$mode" -o 0 -g 0 "$from/$path" "$to/$path"
        fi
    done < <(cd "$from" && find . -mindepth 1 -printf '%P\0' | sort -z)
}

copy_tree "$here/rootfs" "$root"
install -d -m 0755 "$root/usr/lib/dracut/modules.d/96provision" "$root/shared" "$root/usr/lib/provision" "$root/etc/provision"
copy_tree "$here/dracut/96provision" "$root/usr/lib/dracut/modules.d/96provision"

# The runtime, as it is: stripping would make the image depend on the binutils of the machine that builds it.
install -D -m 0755 -o 0 -g 0 "$NODE_BINARY" "$root/usr/local/bin/node"

# What runs on a node. Masked is what costs boot time or makes no sense without a disk.
systemctl --root="$root" --quiet enable provision-agent.service provision-restore-libbpf.service \
    systemd-networkd.service systemd-networkd-wait-online.service ssh.service
systemctl --root="$root" --quiet disable nfs-server.service rpcbind.service rpcbind.socket e2scrub_reap.service \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer nfs-blkmap.service systemd-pstore.service nfs-client.target
systemctl --root="$root" --quiet mask sshd-keygen.service rpcbind.service rpcbind.socket \
    nfs-blkmap.service systemd-firstboot.service ldconfig.service systemd-hwdb-update.service \
    systemd-journal-catalog-update.service systemd-update-done.service systemd-machine-id-commit.service \
    systemd-remount-fs.service systemd-networkd-persistent-storage.service systemd-random-seed.service \
    systemd-udev-load-credentials.service dracut-shutdown.service rpc-statd-notify.service auth-rpcgss-module.service \
    modprobe@configfs.service modprobe@drm.service modprobe@fuse.service sys-kernel-config.mount sys-fs-fuse-connections.mount \
    systemd-pcrmachine.service systemd-tpm2-setup-early.service systemd-tpm2-setup.service systemd-hibernate-clear.service
systemctl --root="$root" --quiet set-default multi-user.target

# Generators for what a diskless node has not. Each is a program to load over the network at every boot.
install -d -m 0755 "$root/etc/systemd/system-generators"
for generator in cryptsetup gpt-auto hibernate-resume integritysetup ssh tpm2 veritysetup; do
    ln -sfn /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
done
ln -sfn /dev/null "$root/etc/systemd/system-generators/nfs-server-generator"

# One kernel, under names that do not carry its version.
kernel=$(basename "$(echo "$root"/usr/lib/modules/*)")
chroot "$root" depmod "$kernel"
dracut_log=$(mktemp)
if ! chroot "$root" env SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" TMPDIR=/tmp \
    dracut --force --no-hostonly --reproducible --no-early-microcode --no-hostonly-cmdline \
    --no-hostonly-default-device --nofscks --nolvmconf --nomdadmconf --no-uefi \
    --gzip --modules "$DRACUT_MODULES" --drivers "$DRACUT_DRIVERS" \
    /boot/initrd.img "$kernel" >"$dracut_log" 2>&1; then
    cat "$dracut_log" >&2
    exit 1
fi
grep -v "Module '\|installkernel\|\*\*\*" "$dracut_log" >&2 || true
rm -f "$dracut_log"
mv "$root/boot/vmlinuz-$kernel" "$root/boot/vmlinuz"
rm -f "$root"/boot/System.map-* "$root"/boot/config-* "$root"/boot/initrd.img-* "$root"/{vmlinuz,initrd.img}{,.old}
chmod 0644 "$root/boot/vmlinuz" "$root/boot/initrd.img"
# The overlay follows the initrd in memory and EFI loaders do not pad: an uncompressed cpio is only recognised at a multiple of 4.
truncate --size=%4 "$root/boot/initrd.img"

# Nothing secret, nothing of the build host, nothing that differs from one build to the next. Identity comes with the overlay.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/resolv.conf "$root"/etc/hostname "$root"/etc/*- "$root"/etc/.pwd.lock \
    "$root"/var/lib/dbus/machine-id "$root"/var/lib/systemd/random-seed "$root"/var/lib/systemd/catalog/database \
    "$root"/var/cache/ldconfig/aux-cache "$root"/var/lib/dpkg/*-old "$root"/etc/udev/hwdb.bin
rm -rf "$root"/var/cache/apt "$root"/var/cache/debconf/*-old "$root"/var/lib/apt/lists "$root"/var/log/* "$root"/var/tmp/* \
    "$root"/tmp/* "$root"/run/*
: >"$root/etc/machine-id" # empty: the boot is not a "first boot", which would enable every service by preset
usermod --root "$root" --lock --password '*' root 2>/dev/null || sed -i 's/^root:[^:]*:/root:*:/' "$root/etc/shadow"
install -d -m 0700 "$root/root/.ssh"

# "Up to date" for ConditionNeedsUpdate=: neither older nor newer than /usr.
touch "$root/etc/.updated" "$root/var/.updated"
