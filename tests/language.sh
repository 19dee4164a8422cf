# Sourced by tests/run: the evaluator beside CppNix, which comes from a layer of ours.
# shellcheck shell=sh

step "the language, beside CppNix"

oracle=$(mktemp -d)
log=$oracle/log
if program=$(timeout 600 "$snowglobe" conformance oracle "$oracle" 2>"$log"); then
    SNOWGLOBE_NIX_ORACLE=$program timeout 900 cargo test --release --locked --quiet -p snowglobe-nix --test it -- \
        --ignored oracle:: >"$log" 2>&1
    cat "$log"
    # test result: ok. 6 passed; 0 failed; …
    compared=$(sed -n 's/^test result: .* \([0-9]*\) passed; 0 failed;.*/\1/p' "$log")
    if [ "${compared:-0}" -gt 0 ]; then
        passed=$((passed + compared))
        # They were counted as skipped where there was nothing to compare with.
        skipped=$((skipped - compared))
    else
        bad "the language, beside CppNix"
    fi
else
    cat "$log"
    bad "the language, beside CppNix: no CppNix"
fi
chmod -R u+w "$oracle"
rm -rf "$oracle"
