#!/bin/sh
# Checks what the library's errors say. Usage: errors.sh COMMAND…, where `COMMAND -E EXPRESSION`
# evaluates an expression strictly and prints JSON:
#
#     nixpkgs/lib/tests/errors.sh nix-instantiate --eval --strict --json
set -eu
here=$(cd "$(dirname "$0")" && pwd)
failures=0
names=$("$@" -E "builtins.concatStringsSep \" \" (builtins.attrNames (import $here/errors.nix))" | tr -d '"')
for name in $names; do
    if message=$("$@" -E "(import $here/errors.nix).$name.expr" 2>&1 >/dev/null); then
        echo "$name: no error"
        failures=$((failures + 1))
        continue
    fi
    count=$("$@" -E "builtins.length (import $here/errors.nix).$name.says")
    i=0
    while [ "$i" -lt "$count" ]; do
        wanted=$("$@" -E "builtins.elemAt (import $here/errors.nix).$name.says $i" | sed 's/^"//; s/"$//; s/\\"/"/g')
        case $message in
            *"$wanted"*) ;;
            *) echo "$name: does not say: $wanted"; echo "$message" | sed 's/^/    /'; failures=$((failures + 1)) ;;
        esac
        i=$((i + 1))
    done
done
[ "$failures" -eq 0 ] && echo "all errors say what they should"
[ "$failures" -eq 0 ]
