#!/usr/bin/env bash
# Puts the data server into ~/.hikyuu/plugin, which Hikyuu prefers to the plugin folder of its
# package, and links there to the package's other plugins, since Hikyuu looks into one folder only.
# Run it again after an update; the package itself is never changed.
#
#   [PYTHON=python3] install.sh [libdataserver.so]
#
# PYTHON is the interpreter that has Hikyuu. Ends with 1 when it has none: then the file alone is
# there, and Hikyuu would be without its other plugins.
set -euo pipefail

library=${1:-$(dirname "$0")/libdataserver.so}
python=${PYTHON:-python3}
folder=$HOME/.hikyuu/plugin
complain() { echo "error: $*" >&2; exit 1; }

[ -f "$library" ] || complain "$library is not there; build it with \`make dist\`, or name it"
# without importing it: that would start Hikyuu; and not in this folder, which may have one of that name
locate='
import importlib.util, sys
sys.path = [folder for folder in sys.path if folder]
found = importlib.util.find_spec(sys.argv[1])
print(list(found.submodule_search_locations)[0] if found else "")'
package=$("$python" -c "$locate" hikyuu 2>/dev/null) || package=
other=$("$python" -c "$locate" hikyuu_plugin 2>/dev/null) || other=

if [ -n "$package" ] && [ "$folder" -ef "$package/plugin" ]; then
    complain "$folder is a link to the package's own folder, which is not to be changed; remove the link"
fi
mkdir -p "$folder"
# a process that has the old file open keeps it
cp "$library" "$folder/.libdataserver.so.new"
chmod 644 "$folder/.libdataserver.so.new"
mv -f "$folder/.libdataserver.so.new" "$folder/libdataserver.so"
echo "installed $folder/libdataserver.so"

if [ -z "$package" ]; then
    complain "$python has no package hikyuu, so $folder holds nothing but the data server, and Hikyuu" \
        "would miss its other plugins; run this again with PYTHON=… naming the interpreter that has it"
fi
# of plugins that a newer package no longer has
find "$folder" -maxdepth 1 -xtype l -name 'lib*.so' -delete
links=0
for original in "$package"/plugin/lib*.so; do
    name=$(basename "$original")
    [ "$name" != libdataserver.so ] && [ -e "$original" ] || continue
    if [ -e "$folder/$name" ] && [ ! -L "$folder/$name" ]; then
        echo "kept $folder/$name, which is no link"
        continue
    fi
    ln -sfn "$original" "$folder/$name"
    links=$((links + 1))
done
echo "linked $links plugins of $package/plugin"
if [ -n "$other" ]; then
    complain "the package hikyuu_plugin in $other goes before $folder; uninstall it to use this data server"
fi
echo "Hikyuu uses it from its next start on"
