#!/bin/sh
# Builds dataserver_c_passthrough.wasm into the folder that is given, or into target/wasm32-wasip2/release.
#
# Needs clang with the headers and libc.a of wasi-libc (Debian: clang lld wasi-libc), and Rust with the
# target wasm32-wasip2, which brings the linker that makes components.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
out=${1:-$target/wasm32-wasip2/release}
made=$target/c-passthrough
bindings=$here/bindings

command -v clang >/dev/null || {
    echo "clang is missing; install the Debian packages clang, lld and wasi-libc" >&2
    exit 1
}
[ -f /usr/lib/wasm32-wasi/libc.a ] || {
    echo "/usr/lib/wasm32-wasi/libc.a is missing; install the Debian package wasi-libc" >&2
    exit 1
}
linker=$(find "$(rustc --print sysroot)" -name wasm-component-ld -print -quit)
[ -n "$linker" ] || {
    echo "rustc has no wasm-component-ld; install Rust with rustup" >&2
    exit 1
}
(cd "$root" && sha256sum --check --status "$bindings/made_of.sha256") || {
    echo "$bindings was made of another schemas/wit/v1; run $here/bindings.sh and commit what it writes" >&2
    exit 1
}

mkdir -p "$out" "$made"
compile="clang --target=wasm32-wasi -O2 -I $bindings -c"
$compile -Wall -Wextra -Werror -o "$made/passthrough.o" "$here/passthrough.c"
$compile -o "$made/transform.o" "$bindings/transform.c"
"$linker" --wasm-ld-path "$(dirname "$linker")/gcc-ld/wasm-ld" --wasi-adapter reactor --no-entry \
    --strip-all -o "$out/dataserver_c_passthrough.wasm" /usr/lib/wasm32-wasi/crt1-reactor.o \
    "$made/passthrough.o" "$made/transform.o" "$bindings/transform_component_type.o" \
    /usr/lib/wasm32-wasi/libc.a
echo "$out/dataserver_c_passthrough.wasm"
