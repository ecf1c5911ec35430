#!/bin/sh
# The root is there and writable: say so, and lay the node's own files onto it. They came as a further initrd, unpacked by the kernel
# to /provision/root.
command -v getarg >/dev/null || . /lib/dracut-lib.sh

REPORT_SECONDS=3 /usr/bin/provision-report root "root mounted" </dev/null >/dev/null 2>&1 &
_report=$!

if [ -d /provision/root ]; then
    # Directories that the image has keep their modes; those that it has not are made as they came. All belongs to root.
    (
        cd /provision/root || exit 0
        find . -type d -printf '%m %P\n' | while read -r _mode _dir; do
            [ -d "$NEWROOT/$_dir" ] || mkdir -m "$_mode" "$NEWROOT/$_dir"
            find "./$_dir" -maxdepth 1 ! -type d -exec \
                cp -P --remove-destination --preserve=mode,timestamps -t "$NEWROOT/$_dir" {} +
        done
    )
    rm -rf /provision/root
fi

# systemd loads BPF programs only to learn whether it may. The verifier takes 20-50 s over them under emulation, and systemd does
# without them when it finds no libbpf. provision-restore-libbpf.service puts the library back.
if getargbool 0 provision.hide_libbpf; then
    for _lib in "$NEWROOT"/usr/lib/*-linux-gnu*/libbpf.so.*; do
        [ -e "$_lib" ] && mv "$_lib" "${_lib%/*}/hidden-${_lib##*/}"
    done
fi

wait "$_report"
unset _report _lib
