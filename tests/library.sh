# Sourced by tests/run: what the Nix library says of itself. Nothing is built and nothing boots.
# shellcheck shell=sh

step "the Nix library"

# Each evaluates to the list of its failures.
for file in nixpkgs/lib/tests/run.nix nixpkgs/nixos/lib/tests/run.nix nixpkgs/nixos/modules/tests/run.nix \
    nixpkgs/nixos/modules/services/tests/run.nix nixpkgs/pkgs/tests/run.nix; do
    result=$(timeout 120 "$snowglobe" eval "$file" --strict --nixpkgs nixpkgs 2>&1) || result="$result (exit status $?)"
    if [ "$result" = "[ ]" ]; then ok; else bad "$file: $result"; fi
done

unread=$(timeout 120 "$snowglobe" eval nixpkgs/snowglobe/options.nix -A unread --strict 2>&1)
if [ "$unread" = "[ ]" ]; then ok; else bad "options that are accepted and that nothing reads: $unread"; fi

if timeout 120 "$snowglobe" eval nixpkgs/snowglobe/options.nix -A markdown --raw | cmp -s - docs/options.md; then
    ok
else
    bad "docs/options.md is not what the modules say: run ./x docs"
fi

# Every method of a machine is in the user's guide.
methods=$(sed -n '/^class BaseMachine/,/^class Wait/s/^    def \([a-z][a-z_]*\)(.*/\1/p' python/test_driver/machine/__init__.py | sort -u)
missing=
for method in $methods; do grep -q "\`$method[(\`]" docs/machines.md || missing="$missing $method"; done
if [ -n "$methods" ] && [ -z "$missing" ]; then ok; else bad "docs/machines.md lacks:$missing"; fi
