#!/usr/bin/env bash
# Runs a command inside the folder that root.sh made, with this machine's /dev and /proc, this folder
# as /mnt/scripts, and the folders named in SHARED (with : between) at the same paths inside. What it
# leaves in /tmp elsewhere, and the mounts, end with the command.
#
#   SHARED=DIR:DIR tests/hikyuu/enter.sh ROOT COMMAND...
set -euo pipefail

root=$1
shift
export ROOT=$root SCRIPTS
SCRIPTS=$(cd "$(dirname "$0")" && pwd)
exec unshare --mount --propagation private bash -euo pipefail -c '
    mount --rbind /dev "$ROOT/dev"
    mount --rbind /proc "$ROOT/proc"
    mount -t tmpfs tmpfs "$ROOT/tmp"
    mount -t tmpfs tmpfs "$ROOT/mnt"
    mkdir "$ROOT/mnt/scripts"
    mount --bind "$SCRIPTS" "$ROOT/mnt/scripts"
    IFS=:
    for folder in ${SHARED:-}; do
        mkdir -p "$ROOT$folder"
        mount --bind "$folder" "$ROOT$folder"
    done
    exec chroot "$ROOT" "$@"' enter "$@"
