#!/bin/sh
# Sourced by the hooks, which dracut sources in its turn: functions only, and no `exit`.

# The last lines that say why there is no root, newest last.
provision_reason() {
    journalctl --boot --output=cat --no-pager --lines=400 2>/dev/null \
        | grep -iE 'nfs|mount|dhcp|carrier|lease|dracut.*(fatal|warn|error|timeout|not )|cannot|could not|failed|refused|unreachable|denied|no such|timed out' \
        | grep -viE 'starting|started|finished|reached target|listening|kernel command line|systemd\[1\]: .*(mounted|mounting)|BOOT_IMAGE|RPC: Registered|hash table|^pci |gained carrier' \
        | uniq | tail -n "${1:-8}" | cut -c 1-300
}
