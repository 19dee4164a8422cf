# Sourced by tests/run: what the command line does with tests besides running one. After machines.sh, so that everything is warm.
# shellcheck shell=sh

step "commands"

commands_dir=$(mktemp -d)

# saying NAME LIMIT EXPECTED_STATUS WORDS COMMAND...: it ends so, and says that.
saying() {
    name=$1 limit=$2 expected=$3 words=$4
    shift 4
    # shellcheck disable=SC2016
    machine_test "$name" "$limit" 0 env SNOWGLOBE_STATE="$commands_dir/state" sh -c '
        log=$1 expected=$2 words=$3
        shift 3
        status=0
        "$@" >"$log" 2>&1 || status=$?
        cat "$log"
        [ "$status" = "$expected" ] || { echo "exit status $status, expected $expected"; exit 9; }
        grep -qF -- "$words" "$log" || { echo "not said: $words"; exit 9; }
    ' sh "$commands_dir/log" "$expected" "$words" "$@"
}

saying "a test that has passed" 30 0 "passed client-server-test, cached, from" "$snowglobe" run examples/client-server.nix
saying "a failure is not cached" 300 1 "assertion" "$snowglobe" run tests/wrong/assertion.nix
saying "a command in a machine as it failed" 300 4 "this is machine" "$snowglobe" shell assertion machine -- 'echo this is $(hostname); exit 4'
saying "a command in a machine" 300 7 "this is server" "$snowglobe" shell examples/client-server.nix server -- 'echo this is $(hostname); exit 7'
saying "a machine that is not there" 30 2 "it has: client, server" "$snowglobe" shell examples/client-server.nix nobody -- true
saying "several at once" 400 2 "1 passed, 2 failed" "$snowglobe" run --rerun -j 3 tests/hostile/child-speaks.nix tests/hostile/killed.nix \
    tests/wrong/script.nix --junit "$commands_dir/junit.xml"
saying "their JUnit" 5 0 'tests="3"' cat "$commands_dir/junit.xml"
saying "one of several that cannot be evaluated" 60 2 "2 tests: 1 passed, 1 failed" "$snowglobe" run --rerun tests/wrong/members.nix
saying "a rate of failure" 120 0 "0 of 3 failed (0 %)" "$snowglobe" run --repeat 3 -j 2 tests/hostile/child-speaks.nix
saying "a list of tests" 60 0 "examples/client-server.nix  client-server-test  (client, server; 2048 MiB)" "$snowglobe" list examples
saying "a script's mistake" 60 2 "tests/wrong/script.nix:6: undefined name 'machin'" "$snowglobe" lint tests/wrong/script.nix
saying "the doctor" 60 0 "tests can run here" "$snowglobe" doctor --offline
saying "a shell without a terminal" 30 2 "needs a terminal" "$snowglobe" interactive examples/client-server.nix
saying "packages for a script" 300 0 "passed python-packages" "$snowglobe" run --rerun tests/e2e/python-packages.nix

# Tests without machines are enough to see what becomes of many.
mkdir "$commands_dir/many"
many() {
    # shellcheck disable=SC2016
    printf '{ name = "%s"; nodes = { }; testScript = "%s"; }\n' "$1" "$2" >"$commands_dir/many/$1.nix"
}
many a-passes 'print(1)'
many b-fails 'assert 1 + 1 == 3, \"sums\"'
many c-mistake 'nobody()'
many d-passes 'print(2)'
many e-waits 'import time\ntime.sleep(3600)'
saying "one failure is enough" 60 1 "not run after a failure (--fail-fast): $commands_dir/many/c-mistake.nix, $commands_dir/many/d-passes.nix" \
    "$snowglobe" run --rerun --fail-fast "$commands_dir/many"
saying "one failure is enough, several at once" 60 1 "2 tests: 1 passed, 1 failed" \
    "$snowglobe" run --rerun --fail-fast -j 1 "$commands_dir/many"
saying "failures in the same words" 60 1 "(and 3 more runs that failed in the same words)" \
    "$snowglobe" run --repeat 4 -j 2 "$commands_dir/many/b-fails.nix" "$commands_dir/many/a-passes.nix"
saying "a mistake in a string of one line" 60 2 "c-mistake.nix:1: undefined name 'nobody'" "$snowglobe" lint "$commands_dir/many/c-mistake.nix"
saying "a JUnit file in no folder" 5 2 "of --junit does not exist" "$snowglobe" run --junit "$commands_dir/no/x.xml" "$commands_dir/many/a-passes.nix"
saying "many are interrupted" 60 130 "1 passed, 1 cancelled" sh -c '
    "$1" run --rerun -j 2 "$2/a-passes.nix" "$2/e-waits.nix" & run=$!
    sleep 5; kill -INT "$run"; wait "$run"' sh "$snowglobe" "$commands_dir/many"

# A run under way is entered from outside.
SNOWGLOBE_STATE=$commands_dir/state "$snowglobe" run --rerun tests/wrong/endless.nix >"$commands_dir/endless" 2>&1 &
endless=$!
for _ in $(seq 600); do
    if grep -q "under way" "$commands_dir/endless"; then break; fi
    sleep 0.2
done
saying "a command in a run under way" 60 3 "this is machine" "$snowglobe" shell endless machine -- 'echo this is $(hostname); exit 3'
kill -INT "$endless"
wait "$endless"
saying "a run that has ended" 30 2 "has ended, and its machines with it" "$snowglobe" shell endless machine -- true

rm -rf "$commands_dir"
