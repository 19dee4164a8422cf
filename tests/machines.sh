# Sourced by tests/run: tests that boot machines. Each is bounded by its own global timeout and by `timeout`.
# shellcheck shell=sh

step "machines"

# machine_test NAME LIMIT EXPECTED_STATUS COMMAND...
machine_test() {
    name=$1 limit=$2 expected=$3
    shift 3
    begin=$(date +%s)
    log=$(mktemp)
    status=0
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 || status=$?
    seconds=$(($(date +%s) - begin))
    if [ "$status" = "$expected" ]; then
        ok
        told pass "$name" "$seconds"
    else
        bad "$name (exit status $status, expected $expected)"
        told FAIL "$name" "$seconds"
        tail -n 60 "$log" | sed 's/^/      /'
    fi
    rm -f "$log"
}

# together LIMIT SUFFIX ARGUMENTS...: all tests of these files, as many at once as fit on this host.
together() {
    limit=$1 suffix=$2
    shift 2
    log=$(mktemp) errors=$(mktemp)
    status=0
    timeout -k 10 "$limit" "$snowglobe" run --rerun -j auto --log-format json "$@" >"$log" 2>"$errors" || status=$?
    # One line of JSON a test.
    while IFS= read -r line; do
        name=$(printf '%s\n' "$line" | sed -n 's/.*"test":"\([^"]*\)".*/\1/p')
        seconds=$(printf '%s\n' "$line" | sed -n 's/.*"duration":\([0-9]*\).*/\1/p')
        # Microseconds.
        seconds=$((${seconds:-0} / 1000000))
        case $line in
            *'"outcome":"passed"'*)
                ok
                told pass "$name$suffix" "$seconds"
                ;;
            *)
                bad "$name$suffix"
                told FAIL "$name$suffix" "$seconds"
                run=$(printf '%s\n' "$line" | sed -n 's/.*"run":"\([^"]*\)".*/\1/p')
                "$snowglobe" report --format human "$run" 2>&1 | tail -n 60 | sed 's/^/      /'
                ;;
        esac
    done <"$log"
    # What ended them all counts too.
    case $status in
        0 | 1 | 2) ;;
        *)
            bad "tests at once$suffix (exit status $status)"
            tail -n 40 "$errors" | sed 's/^/      /'
            ;;
    esac
    rm -f "$log" "$errors"
}

# What a newcomer runs first, and what must go wrong in the right way.
machine_test "client-server" 600 0 "$snowglobe" run --rerun examples/client-server.nix
machine_test "minimal" 600 0 "$snowglobe" run --rerun examples/minimal.nix
machine_test "postgrest" 600 0 "$snowglobe" run --rerun examples/postgrest.nix
machine_test "wayland-firefox" 1800 0 "$snowglobe" run --rerun examples/wayland-firefox.nix
for name in minimal postgrest; do
    machine_test "$name, booted" 600 0 "$snowglobe" run --rerun --cold "examples/$name.nix"
done
# failing NAME FILE WORDS: the test fails, and says so in these words.
failing() {
    # shellcheck disable=SC2016
    machine_test "$1" 300 0 sh -c '
        status=0
        "$1" run --rerun "$2" 2>&1 | tee /dev/stderr | grep -qF -- "$3" || { echo "not said: $3"; exit 9; }
        "$1" runs --json -n 1 | grep -q "\"outcome\":\"failed\""' sh "$snowglobe" "$2" "$3"
}
machine_test "an assertion that fails" 300 1 "$snowglobe" run --rerun tests/wrong/assertion.nix
failing "a unit that fails" tests/wrong/unit.nix "cat: /etc/shop/shop.conf: No such file or directory"
failing "a wait in vain" tests/wrong/timeout.nix "it waited for localhost port 8080 to be open"
failing "a kernel that panics" tests/wrong/crash.nix "Kernel panic - not syncing: sysrq triggered crash"
machine_test "a syntax error" 30 2 "$snowglobe" run --rerun tests/wrong/syntax.nix
machine_test "an unknown option" 30 2 "$snowglobe" run --rerun tests/wrong/option.nix
machine_test "a name that is undefined" 60 2 "$snowglobe" run --rerun tests/wrong/script.nix

together 2400 "" tests/e2e/*.nix

# Restored or booted, machines are the same: the above ran restored.
booted="commands units users network"
# shellcheck disable=SC2046
together 1200 ", booted" --cold $(printf 'tests/e2e/%s.nix ' $booted)
