#!/usr/bin/env bash
# Builds and tests the crate against the next compio: the newest 0.20 or later, pre-releases included.
#
#   scripts/check-next-compio.sh
#   scripts/check-next-compio.sh =0.20.0-beta.1     # any requirement, as in a manifest
#
# Works in a copy: sets the versions in the manifests, runs `cargo test --all-features`, and compares
# the tests that fail with scripts/next-compio.txt. It fails if the crate does not build, or if any
# other test fails. Takes about five minutes, and needs a registry.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=${1:->=0.20.0-0}
work=${TMPDIR:-/tmp}/compio-sync-next
rm -rf "$work/tree" "$work/probe"
mkdir -p "$work/tree" "$work/probe/src"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/tree"

# The versions of compio's parts that belong together.
touch "$work/probe/src/lib.rs"
cat >"$work/probe/Cargo.toml" <<END
[package]
name = "probe"
edition = "2024"

[workspace]

[dependencies]
compio = "$wanted"
END
(cd "$work/probe" && cargo tree --quiet --prefix none) | sed -n 's/^\(compio[a-z-]*\) v\([^ ]*\).*/\1 \2/p' |
    sort -u >"$work/versions"
echo "against:" && sed 's/^/    /' "$work/versions"

echo "manifest lines that change:"
while read -r name version; do
    for manifest in Cargo.toml benches/Cargo.toml examples/Cargo.toml; do
        sed -i -E "s/^($name = (\{ version = )?)\"[^\"]*\"/\1\"=$version\"/" "$work/tree/$manifest"
    done
done <"$work/versions"
for manifest in Cargo.toml benches/Cargo.toml examples/Cargo.toml; do
    { diff "$manifest" "$work/tree/$manifest" || true; } | sed -n "s|^> |    $manifest: |p"
done

cd "$work/tree"
export CARGO_TARGET_DIR=$work/target CARGO_TERM_COLOR=never
status=0
cargo test --all-features --no-fail-fast >"$work/log" 2>&1 || status=$?
if ! grep -q '^test result:' "$work/log"; then
    grep -A 12 '^error' "$work/log" | head -n 60
    echo "next compio: does not build"
    exit 1
fi
grep -oP '^test \K.*(?= \.\.\. FAILED)' "$work/log" | sort >"$work/failed" || true
sed -n 's/^\([^# ][^ ]*\).*/\1/p' scripts/next-compio.txt | sort >"$work/known"
echo "tests that pass: $(grep -c '^test .* \.\.\. ok$' "$work/log")"
echo "known to fail, and failing:" && comm -12 "$work/failed" "$work/known" | sed 's/^/    /'
echo "known to fail, and passing:" && comm -13 "$work/failed" "$work/known" | sed 's/^/    /'
comm -23 "$work/failed" "$work/known" >"$work/new"
if [ -s "$work/new" ] || { [ "$status" -ne 0 ] && [ ! -s "$work/failed" ]; }; then
    echo "failing, and not known to:" && sed 's/^/    /' "$work/new"
    echo "next compio: FAILED, see $work/log"
    exit 1
fi
echo "next compio: nothing new"
