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
hikyuu=hikyuu==2.8.3
unavailable() { echo "$*" >&2; exit 75; }

[ -e "$root/.complete" ] && [ "$(cat "$root/.complete")" = "$hikyuu" ] && exit 0
[ "$(id -u)" = 0 ] || unavailable "a Debian 13 folder can only be made by root (debootstrap, chroot)"
command -v debootstrap >/dev/null || unavailable "debootstrap is not installed"
unshare --mount true 2>/dev/null || unavailable "this machine does not allow mount namespaces"

# an attempt that ended half way is thrown away
rm -rf "$root"
mkdir -p "$root"
echo "making a Debian 13 with $hikyuu in $root (some minutes, once)" >&2
debootstrap --variant=minbase \
    --include=python3,python3-venv,python3-pip,ca-certificates,libgomp1,libgl1,libglib2.0-0t64,libegl1 \
    trixie "$root" >"$root.log" 2>&1 || unavailable "debootstrap failed, see $root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# the machine's own authorities, for networks that have one
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
"$(dirname "$0")/enter.sh" "$root" sh -c "
    python3 -m venv /venv
    PIP_FIND_LINKS= /venv/bin/pip install --quiet --no-cache-dir '$hikyuu' pynng msgpack flatbuffers
" >>"$root.log" 2>&1 || unavailable "pip could not install $hikyuu, see $root.log"
echo "$hikyuu" >"$root/.complete"
