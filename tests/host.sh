# Sourced by tests/run: what the host does to a run. Each is bounded.
# shellcheck shell=sh

step "the host"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Processes of QEMU that belong to a process tree of ours: their command lines name the run's folder.
leftover() { pgrep -f "qemu-system.*$1" || true; }

# host_test NAME FUNCTION
host_test() {
    begin=$(date +%s)
    log=$scratch/log
    # Not as a condition, where the shell would go on after a command that fails.
    ( set -e; "$2" ) >"$log" 2>&1
    status=$?
    if [ "$status" = 0 ]; then
        ok
        told pass "$1" $(($(date +%s) - begin))
    else
        bad "$1"
        told FAIL "$1" $(($(date +%s) - begin))
        tail -n 40 "$log" | sed 's/^/      /'
    fi
}

# started LOG: waits until the endless test of that log is under way.
started() {
    for _ in $(seq 600); do
        grep -q "under way" "$1" && return 0
        sleep 0.5
    done
    cat "$1"
    return 1
}

# gone STATE: no machine of the runs below that folder is left, within five seconds.
gone() {
    for _ in $(seq 50); do
        [ -n "$(leftover "$1")" ] || return 0
        sleep 0.1
    done
    echo "still there:"
    pgrep -af "qemu-system.*$1"
    return 1
}

no_network() {
    status=0
    SNOWGLOBE_CACHE=$scratch/empty SNOWGLOBE_MIRROR=http://127.0.0.1:9/debian \
        timeout 60 "$snowglobe" run --rerun examples/client-server.nix 2>"$scratch/err" || status=$?
    cat "$scratch/err"
    [ "$status" = 3 ]
    grep -q '127\.0\.0\.1:9' "$scratch/err"
}

# What needs no network gets along without.
syntax_without_network() {
    status=0
    SNOWGLOBE_CACHE=$scratch/empty SNOWGLOBE_MIRROR=http://127.0.0.1:9/debian \
        timeout 60 "$snowglobe" run --rerun tests/wrong/syntax.nix 2>"$scratch/err" || status=$?
    cat "$scratch/err"
    [ "$status" = 2 ] && grep -q 'syntax.nix:3:50' "$scratch/err"
}

two_at_once() {
    timeout 600 "$snowglobe" run --rerun examples/client-server.nix --cold >"$scratch/one" 2>&1 &
    one=$!
    status=0
    timeout 600 "$snowglobe" run --rerun examples/client-server.nix --cold >"$scratch/two" 2>&1 || status=$?
    cat "$scratch/two"
    wait "$one" || { cat "$scratch/one"; return 1; }
    return "$status"
}

killed() {
    SNOWGLOBE_STATE=$scratch/killed "$snowglobe" run --rerun tests/wrong/endless.nix >"$scratch/endless" 2>&1 &
    run=$!
    started "$scratch/endless" || { kill -9 "$run"; return 1; }
    [ -n "$(leftover "$scratch/killed")" ] || { echo "no machine was found"; return 1; }
    kill -9 "$run"
    gone "$scratch/killed"
    if grep "$scratch" /proc/self/mounts; then return 1; fi
    SNOWGLOBE_STATE=$scratch/killed "$snowglobe" runs
    SNOWGLOBE_STATE=$scratch/killed "$snowglobe" runs | grep -q 'killed.*endless'
}

interrupted() {
    SNOWGLOBE_STATE=$scratch/int "$snowglobe" run --rerun tests/wrong/endless.nix >"$scratch/endless" 2>&1 &
    run=$!
    started "$scratch/endless" || { kill -9 "$run"; return 1; }
    kill -INT "$run"
    status=0
    wait "$run" || status=$?
    cat "$scratch/endless"
    [ "$status" = 130 ] || { echo "exit status $status"; return 1; }
    gone "$scratch/int"
    [ -z "$(find "$scratch/int" -path '*/state/*' -type f)" ] || { echo "disks are left"; return 1; }
    SNOWGLOBE_STATE=$scratch/int "$snowglobe" runs | grep -q 'cancelled.*endless'
}

terminated() {
    SNOWGLOBE_STATE=$scratch/term "$snowglobe" run --rerun tests/wrong/endless.nix >"$scratch/endless" 2>&1 &
    run=$!
    started "$scratch/endless" || { kill -9 "$run"; return 1; }
    kill -TERM "$run"
    status=0
    wait "$run" || status=$?
    cat "$scratch/endless"
    [ "$status" = 130 ] || [ "$status" = 143 ] || { echo "exit status $status"; return 1; }
    gone "$scratch/term"
}

# of STATE: processes whose command line or environment names that folder; this shell's own are none of them.
of() {
    for process in /proc/[0-9]*; do
        if { cat "$process/cmdline" "$process/environ" | tr '\0' '\n'; } 2>/dev/null | grep -qF "$1"; then
            echo "${process#/proc/} $(tr '\0' ' ' <"$process/cmdline" | cut -c1-200)"
        fi
    done
}

# However a run ends, nothing of it is left: no process, socket, mount, temporary file or disk of a machine.
leaves_nothing() {
    mounts=$(sort /proc/self/mounts)
    # ended NAME STATUS FILE: after that run.
    ended() {
        state=$scratch/leaks-$1
        mkdir -p "$state/tmp"
        status=0
        # The names are in its environment alone.
        SNOWGLOBE_STATE=$state/state TMPDIR=$state/tmp timeout 300 "$snowglobe" run --rerun "$3" >"$state/log" 2>&1 || status=$?
        [ "$status" = "$2" ] || { tail -n 30 "$state/log"; echo "$1: exit status $status"; return 1; }
        nothing_of "$state"
    }
    nothing_of() {
        for _ in $(seq 50); do
            left=$(of "$1")
            [ -n "$left" ] || break
            sleep 0.1
        done
        [ -z "$left" ] || { echo "processes are left:"; echo "$left"; return 1; }
        [ -z "$(ls -A "$1/tmp")" ] || { echo "temporary files are left:"; ls -lAR "$1/tmp"; return 1; }
        ! grep -F "$1" /proc/net/unix || { echo "sockets are left"; return 1; }
        sockets=$(find "$1" -type s -o -type p)
        [ -z "$sockets" ] || { echo "sockets are left: $sockets"; return 1; }
        disks=$(find "$1" -path '*/state/runs/*/state/*' -type f)
        [ -z "$disks" ] || { echo "disks are left: $disks"; return 1; }
        [ "$(sort /proc/self/mounts)" = "$mounts" ] || { echo "mounts are left"; return 1; }
    }
    ended success 0 tests/benches/saved.nix
    ended failure 1 tests/wrong/assertion.nix
    ended crash 1 tests/hostile/killed.nix
    for signal in INT TERM KILL; do
        state=$scratch/leaks-$signal
        mkdir -p "$state/tmp"
        SNOWGLOBE_STATE=$state/state TMPDIR=$state/tmp "$snowglobe" run --rerun tests/wrong/endless.nix >"$state/log" 2>&1 &
        run=$!
        started "$state/log" || { kill -9 "$run"; return 1; }
        kill "-$signal" "$run"
        wait "$run" || true
        case $signal in
            # What a killed process had in its folders stays for `runs clean`; it may not run or be mounted.
            KILL) [ -z "$(for _ in $(seq 50); do [ -n "$(of "$state")" ] || exit 0; sleep 0.1; done; of "$state")" ] ;;
            *) nothing_of "$state" ;;
        esac
    done
    [ "$(sort /proc/self/mounts)" = "$mounts" ] || { echo "mounts are left"; return 1; }
}

# Killed while it saves a machine, it leaves a whole snapshot or none, and the next run passes.
killed_while_saving() {
    cache=${SNOWGLOBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/snowglobe}
    word=$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
    SNOWGLOBE_STATE=$scratch/saving "$snowglobe" run --rerun tests/benches/saved.nix --argstr word "$word" >"$scratch/one" 2>&1 &
    run=$!
    for _ in $(seq 12000); do
        [ -z "$(find "$cache/snapshots" -maxdepth 1 -name '.new-*' -newer "$scratch/one" 2>/dev/null)" ] || break
        kill -0 "$run" 2>/dev/null || break
        sleep 0.01
    done
    sleep "0.0$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')"
    kill -9 "$run" 2>/dev/null || { cat "$scratch/one"; echo "it ended before it was killed"; return 1; }
    gone "$scratch/saving"
    for entry in "$cache"/snapshots/*/; do
        case $entry in *.spoke/) continue ;; esac
        [ -e "$entry/manifest.json" ] || { echo "$entry is half a snapshot"; return 1; }
    done
    timeout 600 "$snowglobe" run --rerun tests/benches/saved.nix --argstr word "$word"
}

disk_full() {
    mkdir "$scratch/small"
    mount -t tmpfs -o size=24m none "$scratch/small"
    status=0
    SNOWGLOBE_CACHE=$scratch/small timeout 300 "$snowglobe" run --rerun examples/client-server.nix 2>"$scratch/err" || status=$?
    umount "$scratch/small"
    cat "$scratch/err"
    [ "$status" = 3 ] && grep -qi 'no space left' "$scratch/err" && grep -q 'SNOWGLOBE_CACHE' "$scratch/err"
}

# A machine whose disk finds no room ends and says so, where QEMU would let it wait for ever.
machine_without_room() {
    mkdir "$scratch/room"
    mount -t tmpfs -o size=120m none "$scratch/room"
    status=0
    SNOWGLOBE_STATE=$scratch/room timeout 300 "$snowglobe" run --rerun tests/hostile/disk-full.nix 2>"$scratch/err" || status=$?
    umount "$scratch/room"
    cat "$scratch/err"
    [ "$status" = 1 ] && grep -q 'the host has no space left for its disk' "$scratch/err"
}

host_test "no network, empty cache" no_network
host_test "a mistake without network" syntax_without_network
host_test "two runs at once" two_at_once
host_test "kill -9 leaves nothing" killed
host_test "Ctrl-C leaves nothing" interrupted
host_test "SIGTERM leaves nothing" terminated
host_test "nothing is left of any run" leaves_nothing
host_test "kill -9 while saving" killed_while_saving
if mkdir -p "$scratch/try" && mount -t tmpfs none "$scratch/try" 2>/dev/null; then
    umount "$scratch/try"
    host_test "a full disk" disk_full
    host_test "a machine's disk without room" machine_without_room
else
    skip "a full disk, for caches and for machines" "mounting a small file system needs root"
fi

# Restored at the same time from one snapshot; in CI the host is small.
twenty() { sh tests/benches/together "$snowglobe" 20; }
[ "$mode" != --all ] || host_test "twenty from one snapshot" twenty
