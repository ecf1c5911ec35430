#!/bin/sh
# A node has many network cards and only one of them booted it: bring up that one, named by BOOTIF=01-aa-bb-cc-dd-ee-ff (the
# PXELINUX convention, which iPXE scripts follow), and leave the others alone. systemd-network-generator of systemd 257 does not know
# BOOTIF. The file lies in /run, so systemd-networkd of the real root finds the very same configuration and keeps the address.
command -v getarg >/dev/null || . /lib/dracut-lib.sh

if _bootif=$(getarg BOOTIF=) && [ -z "$(getarg ip=)" ]; then
    case $_bootif in
        ??-??-??-??-??-??-??) _bootif=${_bootif#??-} ;;
    esac
    _bootif=$(printf '%s' "$_bootif" | tr -- '-A-Z' ':a-z')
    mkdir -p /run/systemd/network
    cat >/run/systemd/network/10-provision-boot.network <<EOF
[Match]
PermanentMACAddress=$_bootif

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
KeepConfiguration=yes

[DHCPv4]
ClientIdentifier=mac
UseHostname=no
RequestOptions=17
EOF
    rm -f "$systemdnetworkconfdir"/zzzz-dracut-default.network /etc/systemd/network/zzzz-dracut-default.network
fi
unset _bootif
