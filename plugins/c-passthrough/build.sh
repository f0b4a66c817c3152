#!/bin/sh
# Builds dataserver_c_passthrough.wasm into the folder that is given, or into target/wasm32-wasip2/release.
#
# Needs clang with the headers and libc.a of wasi-libc (Debian: clang lld wasi-libc), and Rust with the
# target wasm32-wasip2, which brings the linker that makes components. The bindings are made from
# the contract by wit-bindgen, which cargo builds once into target/tools.
set -eu

WIT_BINDGEN=0.62.0

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
out=${1:-$target/wasm32-wasip2/release}
tools=$target/tools
made=$target/c-passthrough

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

[ "$("$tools/bin/wit-bindgen" --version 2>/dev/null)" = "wit-bindgen-cli $WIT_BINDGEN" ] ||
    cargo install --quiet --locked --version "$WIT_BINDGEN" --root "$tools" \
        --target-dir "$tools/build" --no-default-features --features c wit-bindgen-cli

mkdir -p "$out" "$made"
report=$("$tools/bin/wit-bindgen" c --world transform --out-dir "$made" "$root/schemas/wit/v1" 2>&1) || {
    echo "$report" >&2
    exit 1
}

compile="clang --target=wasm32-wasi -O2 -I $made -c"
$compile -Wall -Wextra -Werror -o "$made/passthrough.o" "$here/passthrough.c"
$compile -o "$made/transform.o" "$made/transform.c"
"$linker" --wasm-ld-path "$(dirname "$linker")/gcc-ld/wasm-ld" --wasi-adapter reactor --no-entry \
    --strip-all -o "$out/dataserver_c_passthrough.wasm" /usr/lib/wasm32-wasi/crt1-reactor.o \
    "$made/passthrough.o" "$made/transform.o" "$made/transform_component_type.o" \
    /usr/lib/wasm32-wasi/libc.a
echo "$out/dataserver_c_passthrough.wasm"
