#!/bin/sh
# The network is up, the root is not mounted yet.
if [ ! -e /run/provision-online ]; then
    : >/run/provision-online
    /usr/bin/provision-report starting "network up on $1" </dev/null >/dev/null 2>&1 &
fi
