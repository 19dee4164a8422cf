# Sourced by tests/run: complete test files in docs/guide.md are evaluated, linted and type-checked. Nothing boots.
# shellcheck shell=sh

step "the guide's examples"

guide_dir=$(mktemp -d)
mkdir "$guide_dir/site"
echo "snow" >"$guide_dir/site/index.html"
awk -v dir="$guide_dir" '/^```nix$/ {n++; file = dir "/example-" n ".nix"; next} /^```$/ {file = ""; next} file {print >file}' docs/guide.md
for file in "$guide_dir"/example-*.nix; do
    if result=$(timeout 300 "$snowglobe" lint "$file" 2>&1); then ok; else bad "$(sed -n 's/.*name = "\([a-z-]*\)";.*/\1/p' "$file" | head -n 1) in docs/guide.md: $result"; fi
done
rm -rf "$guide_dir"
