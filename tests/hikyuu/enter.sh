#!/usr/bin/env bash
# Runs a command inside the folder that root.sh made, with this machine's /dev and /proc and the
# folder given by SHARED at the same path inside. The mounts end with the command.
#
#   SHARED=DIR tests/hikyuu/enter.sh ROOT COMMAND...
set -euo pipefail

root=$1
shift
export ROOT=$root
exec unshare --mount --propagation private bash -euo pipefail -c '
    mount --rbind /dev "$ROOT/dev"
    mount --rbind /proc "$ROOT/proc"
    if [ -n "${SHARED:-}" ]; then
        mkdir -p "$ROOT$SHARED"
        mount --bind "$SHARED" "$ROOT$SHARED"
    fi
    exec chroot "$ROOT" "$@"' enter "$@"
