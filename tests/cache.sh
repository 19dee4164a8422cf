# Sourced by tests/run, after host.sh: what happens to the cache does not happen to tests. Everything here works on a cache of its
# own, which shares nothing but copies of downloads with the user's.
# shellcheck shell=sh

step "the cache"

user_cache=${SNOWGLOBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/snowglobe}
own=$scratch/own

# own_cache DIRECTORY: an empty cache with the user's downloads and archive states.
own_cache() {
    mkdir -p "$1"
    cp -a "$user_cache/archive" "$user_cache/downloads" "$1/"
    rm -rf "$1/downloads/partial"
}

realise() { timeout 300 env SNOWGLOBE_CACHE="$own" "$snowglobe" realise "$@" examples/client-server.nix; }

# only PATTERN: the one file that matches, the newest of several.
# shellcheck disable=SC2012,SC2086
only() { ls -td $own/$1 2>/dev/null | head -n 1 | grep . || { echo "there is no $1" >&2; return 1; }; }

# flip FILE: one bit in its middle.
flip() {
    python3 -c '
import os, sys
path = sys.argv[1]
os.chmod(path, 0o644) if not os.access(path, os.W_OK) else None
with open(path, "r+b") as file:
    at = os.path.getsize(path) // 2
    file.seek(at)
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 1]))' "$1"
}

sum() { sha256sum <"$1"; }

# Killed again and again while everything is made, it goes on; nothing half made is taken for whole.
killed_while_building() {
    own_cache "$own"
    for delay in 0.4 2.3 5.1 9; do
        SNOWGLOBE_CACHE=$own "$snowglobe" realise examples/client-server.nix >"$scratch/one" 2>&1 &
        run=$!
        sleep "$delay"
        kill -9 "$run" 2>/dev/null || true
        wait "$run" 2>/dev/null || true
        for entry in "$own"/trees/* "$own"/images/*; do
            [ ! -e "$entry" ] || [ -e "$entry/seal" ] || { echo "$entry is half an entry"; return 1; }
        done
    done
    realise
    if grep "$own" /proc/self/mounts; then return 1; fi
    SNOWGLOBE_CACHE=$own "$snowglobe" cache gc
    if find "$own" -maxdepth 2 -name '.new-*' | grep .; then return 1; fi
}

# One flipped bit: what has it is named and made again as it was, and nothing else is.
damaged() {
    for pattern in 'trees/base-*/tree/usr/bin/ls' 'trees/tools-*/tree/usr/bin/mkfs.erofs' 'trees/packages-*/tree/usr/sbin/nginx' \
        'images/base-*/image.erofs' 'images/packages-*/image.erofs' 'images/system-*/image.erofs' 'images/kernel-*/vmlinux' \
        'images/initrd-*/initrd' "archive/$(cat "$own/archive/current")/index"; do
        file=$(only "$pattern")
        before=$(sum "$file")
        others=$(find "$own/trees" "$own/images" "$own/store/objects" -mindepth 1 -maxdepth 1 | sort)
        entry=$(printf %s "$file" | cut -d/ -f1-$(($(printf %s "$own" | tr -cd / | wc -c) + 3)))
        # Inodes tell which entries are still the same.
        find "$own/trees" "$own/images" -mindepth 1 -maxdepth 1 ! -path "$entry" -printf '%i %p\n' | sort >"$scratch/inodes"
        flip "$file"
        echo "-- $pattern"
        realise --offline >"$scratch/said" 2>&1 || { cat "$scratch/said"; return 1; }
        grep "damaged" "$scratch/said"
        [ "$(sum "$file")" = "$before" ] || { echo "it is not what it was"; return 1; }
        find "$own/trees" "$own/images" -mindepth 1 -maxdepth 1 ! -path "$entry" -printf '%i %p\n' | sort | diff "$scratch/inodes" - ||
            { echo "other entries were made again"; return 1; }
        [ "$(find "$own/trees" "$own/images" "$own/store/objects" -mindepth 1 -maxdepth 1 | sort)" = "$others" ]
    done
}

# An object of the store is checked when it goes into a layer.
damaged_object() {
    object=$(only 'store/objects/*-etc-hostname')
    [ -f "$object" ] || object=$(find "$own/store/objects" -mindepth 1 -maxdepth 1 -type f -name '*nginx.conf' | head -n 1)
    before=$(sum "$object")
    flip "$object"
    rm -rf "$own"/images/system-*
    realise --offline 2>&1 | tee "$scratch/said"
    grep "$(basename "$object") is damaged" "$scratch/said"
    [ "$(sum "$object")" = "$before" ]
}

# A package that was downloaded: without network it is named, with it it is had again.
damaged_download() {
    package=$(grep -a -A 30 'Package: nginx-common$' "$own/archive/$(cat "$own/archive/current")/index" | grep -a -m 1 -o '^SHA256: .*' | cut -c9-)
    file=$own/downloads/sha256/$package
    before=$(sum "$file")
    flip "$file"
    rm -rf "$own"/trees/packages-* "$own"/images/packages-*
    status=0
    realise --offline >"$scratch/said" 2>&1 || status=$?
    cat "$scratch/said"
    [ "$status" = 3 ]
    grep "$package is damaged; removed" "$scratch/said"
    grep "offline, and not in the cache: .*nginx-common" "$scratch/said"
    realise
    [ "$(sum "$file")" = "$before" ]
}

# The state of the archives: an index is made again from what was signed, and from nothing else.
damaged_release() {
    state=$own/archive/$(cat "$own/archive/current")
    flip "$state/index"
    cp "$state/InRelease.trixie" "$scratch/release"
    flip "$state/InRelease.trixie"
    status=0
    realise --offline >"$scratch/said" 2>&1 || status=$?
    cat "$scratch/said"
    [ "$status" = 3 ]
    grep "InRelease.trixie is not signed by a trusted key" "$scratch/said"
    cp "$scratch/release" "$state/InRelease.trixie"
    realise --offline
}

# More than the limit: what this command did not use goes, the longest unused first, and that is said.
too_large() {
    old=$(only 'trees/packages-*/tree/usr/sbin/nginx')
    SNOWGLOBE_CACHE=$own SNOWGLOBE_CACHE_LIMIT=1G timeout 300 "$snowglobe" realise examples/minimal.nix 2>&1 | tee "$scratch/said"
    grep "the cache was too large" "$scratch/said"
    [ ! -e "$old" ] || { echo "what was not used is still there"; return 1; }
    realise
    if SNOWGLOBE_CACHE_LIMIT=much realise; then return 1; fi
}

# A cache on a file system that is too small, at several sizes; with more room, the next run goes on.
too_small() {
    small=$scratch/room
    mkdir "$small"
    own=$small/cache
    status=0
    for size in 600m 800m 1100m 1500m; do
        if ! mountpoint -q "$small"; then
            mount -t tmpfs -o "size=$size" none "$small"
            # The user's own downloads may be more than fits.
            mkdir -p "$own"
        else
            mount -o "remount,size=$size" "$small"
        fi
        status=0
        realise >"$scratch/said" 2>&1 || status=$?
        echo "-- $size: $status"
        tail -n 4 "$scratch/said"
        [ "$status" != 0 ] || continue
        [ "$status" = 3 ]
        grep -qi 'no space left in' "$scratch/said"
        grep -q 'cache gc' "$scratch/said"
    done
    mount -o remount,size=4g "$small"
    realise
}

# As somebody else, with a range of ids of his own, in a file system where that is so: nothing of the host is changed.
# shellcheck disable=SC2016
as_user() {
    own=$scratch/user
    if [ ! -d "$own" ]; then
        mkdir -p "$own/home"
        own_cache "$own/cache"
        cp -r examples "$own/examples"
        cp "$snowglobe" "$own/snowglobe"
        (cat /etc/passwd; echo "snowglobe-test:x:64242:64242::$own/home:/bin/sh") >"$own/passwd"
        echo "snowglobe-test:2000000:65536" >"$own/ids"
        chown -R 64242:64242 "$own/home" "$own/cache" "$own/examples"
        chmod 755 "$scratch" "$own" "$own/snowglobe"
        chmod 644 "$own/passwd" "$own/ids"
    fi
    user_prepare=$1
    shift
    unshare -m sh -euc '
        own=$1 prepare=$2
        shift 2
        mount --make-rprivate /
        [ -e /etc/subuid ] || : >/etc/subuid
        [ -e /etc/subgid ] || : >/etc/subgid
        mount --bind "$own/passwd" /etc/passwd
        mount --bind "$own/ids" /etc/subuid
        mount --bind "$own/ids" /etc/subgid
        eval "$prepare"
        cd "$own"
        exec setpriv --reuid 64242 --regid 64242 --clear-groups env HOME="$own/home" SNOWGLOBE_CACHE="$own/cache" SNOWGLOBE_STATE="$own/home/state" \
            timeout 600 ./snowglobe "$@"
    ' sh "$own" "$user_prepare" "$@"
}

user_without_helper() {
    status=0
    as_user 'mount --bind /dev/null "$(command -v newuidmap)"' realise --offline examples/client-server.nix >"$scratch/said" 2>&1 || status=$?
    cat "$scratch/said"
    [ "$status" = 3 ]
    grep "newuidmap' is not installed" "$scratch/said"
    grep "uidmap. on Debian" "$scratch/said"
}

user_without_ids() {
    status=0
    as_user 'mount --bind /dev/null /etc/subuid' realise --offline examples/client-server.nix >"$scratch/said" 2>&1 || status=$?
    cat "$scratch/said"
    [ "$status" = 3 ]
    grep "/etc/subuid gives no range of 65535 ids to the user 'snowglobe-test'" "$scratch/said"
    grep "usermod --add-subuids" "$scratch/said"
}

user_runs() {
    as_user true run --rerun examples/client-server.nix
    as_user true run --rerun --cold examples/client-server.nix
    as_user true build examples/client-server.nix -A driver --no-out-link
    as_user true cache gc --older-than 0s
    if find "$scratch/user/cache/trees" -mindepth 1 | grep .; then return 1; fi
}

host_test "kill -9 while building" killed_while_building
host_test "damage is found and mended" damaged
host_test "a damaged store object" damaged_object
host_test "a damaged download" damaged_download
host_test "a damaged archive state" damaged_release
host_test "a cache that is too large" too_large
rm -rf "$scratch/own"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && command -v newuidmap >/dev/null; then
    host_test "a user without newuidmap" user_without_helper
    host_test "a user without ids" user_without_ids
    # What an ordinary user does takes a minute or two.
    if [ "$mode" = --all ]; then host_test "an ordinary user" user_runs; fi
else
    skip "an ordinary user" "needs root, setpriv and newuidmap (Debian's package uidmap)"
fi
rm -rf "$scratch/user"
if [ "$mode" != --all ]; then
    :
elif mkdir -p "$scratch/try" && mount -t tmpfs none "$scratch/try" 2>/dev/null; then
    umount "$scratch/try"
    host_test "too little room" too_small
    umount "$scratch/room" 2>/dev/null || true
else
    skip "too little room" "mounting a small file system needs root"
fi
