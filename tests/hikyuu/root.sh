#!/usr/bin/env bash
# Makes the folder that the real Hikyuu runs in. Its wheel needs glibc 2.38, so it gets a Debian 13
# of its own, entered with chroot. Made once (about 3 GB); later calls return at once.
#
#   tests/hikyuu/root.sh DIR
#
# Ends with 0 when DIR is ready, with 75 when this machine cannot make it (not root, no debootstrap,
# no network); the reason is the last line on stderr.
set -euo pipefail

root=${1:?usage: root.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
hikyuu=hikyuu==2.8.3
wheels="$hikyuu pynng flatbuffers h5py"
unavailable() { echo "$*" >&2; exit 75; }

is_complete() {
    [ "$(cat "$root/.complete" 2>/dev/null)" = "$wheels" ] \
        && [ -e "$root/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1" ]
}

[ "$(uname -sm)" = "Linux x86_64" ] || unavailable "$hikyuu is only tested on Linux x86-64"
[ "$(id -u)" = 0 ] || unavailable "a Debian 13 folder can only be entered by root (mount, chroot)"
unshare --mount true 2>/dev/null || unavailable "this machine does not allow mount namespaces"

# two that make it at a time would spoil it
mkdir -p "$(dirname "$root")" 2>/dev/null && { : >>"$root.lock"; } 2>/dev/null \
    || unavailable "$(dirname "$root") cannot be written"
exec 9>"$root.lock"
flock 9
is_complete && exit 0

command -v debootstrap >/dev/null \
    || { apt-get update -qq && apt-get install -y -qq debootstrap; } >"$root.log" 2>&1 \
    || unavailable "debootstrap is not installed, and apt-get could not install it, see $root.log"

# an attempt that ended half way is thrown away
rm -rf --one-file-system "$root"
mkdir -p "$root"
echo "making a Debian 13 with $hikyuu in $root (some minutes, once)" >&2
packages=python3,python3-venv,python3-pip,ca-certificates,libfaketime,libgomp1,libgl1,libglib2.0-0t64,libegl1
unshare --mount --propagation private debootstrap --variant=minbase --include=$packages trixie "$root" >"$root.log" 2>&1 \
    || unavailable "debootstrap failed, see $root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# the machine's own authorities, for networks that have one
[ ! -e /etc/ssl/certs/ca-certificates.crt ] \
    || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
"$here/enter.sh" "$root" sh -c "
    python3 -m venv /venv
    PIP_FIND_LINKS= /venv/bin/pip install --quiet --no-cache-dir $wheels
" >>"$root.log" 2>&1 || unavailable "pip could not install $hikyuu, see $root.log"
echo "$wheels" >"$root/.complete"
