# Sourced by tests/run --all, last: what takes longer than CI has. Suites of others are taken from the folders below
# SNOWGLOBE_SUITES (nix, nixpkgs.lib, nixpkgs-2014, nixpkgs: checkouts, docs/conformance.md says of what).
# shellcheck shell=sh

step "suites of others"
# suite NAME FOLDER COMMAND…
suite() {
    name=$1 folder=${SNOWGLOBE_SUITES-/nowhere}/$2
    shift 2
    if [ -d "$folder" ]; then
        machine_test "$name" 14400 0 "$@" "$folder"
    else
        skip "$name" "no folder $2 in SNOWGLOBE_SUITES"
    fi
}
suite "CppNix's language suite" nix tests/conformance/nix "$snowglobe"
suite "nixpkgs' library tests" nixpkgs.lib tests/conformance/nix "$snowglobe"
suite "the module system's own suite" nixpkgs.lib tests/conformance/lib "$snowglobe"
suite "derivations of a nixpkgs of 2014" nixpkgs-2014 tests/conformance/nix "$snowglobe"
suite "tests of nixpkgs" nixpkgs tests/conformance/nixos "$snowglobe"

step "long tests"
for file in tests/e2e/all/*.nix; do
    [ -e "$file" ] || continue
    machine_test "all/$(basename "$file" .nix)" 1800 0 "$snowglobe" run --rerun "$file"
done

step "200 restored runs"
machine_test "soak" 3600 0 tests/soak "$snowglobe" 200

step "booted instead of restored"
machine_test "wayland-firefox, booted" 1800 0 "$snowglobe" run --rerun --cold examples/wayland-firefox.nix
left=
for file in tests/e2e/*.nix; do
    case " $booted " in *" $(basename "$file" .nix) "*) ;; *) left="$left $file" ;; esac
done
# shellcheck disable=SC2086
together 7200 ", booted" --cold $left

step "random inputs"
seconds=${SNOWGLOBE_FUZZ_SECONDS:-60}
fuzz_found=$(mktemp -d)
for target in parser evaluator json toml aterm; do
    machine_test "fuzz $target, $seconds s" $((seconds + 120)) 0 "$snowglobe" conformance fuzz "$target" --seconds "$seconds" --found "$fuzz_found"
done
rm -rf "$fuzz_found"
