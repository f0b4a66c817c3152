#!/bin/sh
# Makes the bindings in bindings/ anew from the contract, after a change of schemas/wit/v1; commit them.
#
# They are made by wit-bindgen, which cargo builds into target/tools on the first run.
set -eu

WIT_BINDGEN=0.62.0

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/tools

[ "$("$tools/bin/wit-bindgen" --version 2>/dev/null)" = "wit-bindgen-cli $WIT_BINDGEN" ] ||
    cargo install --quiet --locked --version "$WIT_BINDGEN" --root "$tools" \
        --target-dir "$tools/build" --no-default-features --features c wit-bindgen-cli

report=$("$tools/bin/wit-bindgen" c --world transform --out-dir "$here/bindings" "$root/schemas/wit/v1" 2>&1) || {
    echo "$report" >&2
    exit 1
}
cd "$root" && sha256sum schemas/wit/v1/plugin.wit >"$here/bindings/made_of.sha256"
