# Sourced by tests/run: scripts that do their worst are bounded, told and cleaned up.
# shellcheck shell=sh

step "hostile scripts"

hostile_state=$(mktemp -d)

# hostile NAME EXPECTED_STATUS WORDS: how the run ends and what it says; nothing of it is left.
hostile() {
    # shellcheck disable=SC2016
    machine_test "hostile: $1" 120 0 env SNOWGLOBE_STATE="$hostile_state" sh -c '
        name=$2 expected=$3 words=$4
        status=0
        "$1" run --rerun "tests/hostile/$name.nix" >"$SNOWGLOBE_STATE/$name.log" 2>&1 || status=$?
        tail -n 40 "$SNOWGLOBE_STATE/$name.log" | cut -c1-300
        [ "$status" = "$expected" ] || { echo "exit status $status, expected $expected"; exit 9; }
        grep -qF -- "$words" "$SNOWGLOBE_STATE/$name.log" || { echo "not said: $words"; exit 9; }
        # Every process of a script has its output folder as working directory or as an argument.
        run=$(ls -d "$SNOWGLOBE_STATE/runs/"*-"$name")
        for process in /proc/[0-9]*; do
            if { tr "\0" "\n" <"$process/environ"; } 2>/dev/null | grep -qxF "out=$run/out"; then
                echo "left behind: $(tr "\0" " " <"$process/cmdline")"
                exit 9
            fi
        done
        # What it printed is bounded on disk too.
        size=$(du -sk "$run" | cut -f1)
        [ "$size" -lt 40000 ] || { echo "the run folder has $size KiB"; exit 9; }
    ' sh "$snowglobe" "$1" "$2" "$3"
}

hostile loop 1 "the test did not end within its global time limit"
hostile fork 0 "forked"
hostile child-speaks 0 "passed child-speaks"
hostile closed 1 "this is still told"
hostile killed 1 "was killed by signal 9"
hostile flood 0 "the script prints more than 8 MiB; the rest is left out"

rm -rf "$hostile_state"
