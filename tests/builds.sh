# Sourced by tests/run: derivations are built, and Nix's command lines mean ours. After commands.sh.
# shellcheck shell=sh

step "builds"

builds_dir=$(mktemp -d)
"$snowglobe" compat "$builds_dir/bin" 2>/dev/null

machine_test "everything that derivations are made with" 1200 0 "$snowglobe" build tests/builds --no-out-link
# shellcheck disable=SC2016
machine_test "a guide's command lines" 900 0 env PATH="$builds_dir/bin:$PATH" SNOWGLOBE_STATE="$builds_dir/state" sh -euc '
    cp examples/client-server.nix "$0/my-test.nix"
    cd "$0"
    nix-build my-test.nix
    test -d result/
    $(nix-build -A driver my-test.nix --no-out-link)/bin/nixos-test-driver
    result=$(readlink -f ./result)
    if nix-store --delete "$result"; then exit 1; fi
    result=$(readlink -f ./result); rm ./result && nix-store --delete $result
    test ! -e "$result"
    test "$(nix-instantiate --eval -E "1 + 1")" = 2
    test "$(echo "driver.outPath" | nix repl my-test.nix | grep -c nixos-test-driver)" -ge 1
' "$builds_dir"
rm -rf "$builds_dir"
