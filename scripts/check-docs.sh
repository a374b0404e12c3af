#!/usr/bin/env bash
# Checks that what the Markdown files say is so: links, anchors, commands, options, names of files
# and tests, drawings, and that every Rust block compiles and does what it asserts. Needs no network
# beyond cargo's, and Python 3.11.
#
#   scripts/check-docs.sh              # all of it
#   scripts/check-docs.sh --measured   # and fails if figures are missing that pages show
#   scripts/check-docs.sh --names      # all but the Rust blocks: takes a second
set -euo pipefail
cd "$(dirname "$0")/.."

measured=() rust=1
for argument; do
    case $argument in
    --measured) measured=(--measured) ;;
    --names) rust= ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
        exit 2
        ;;
    esac
done

python3 -m unittest -q scripts/docs/test_check.py
crate=target/docs-crate
python3 scripts/docs/check.py --crate "$crate" ${measured+"${measured[@]}"}
[ -n "$rust" ] || exit 0

# What src/lib.rs includes are the crate's own documentation tests.
cargo test --quiet --doc --all-features markdown::

# The other pages' are another's, with the same dependencies as the tests, so that they are built once.
grep -q include_str "$crate/src/lib.rs" || exit 0
if [ -e Cargo.lock ] && [ ! -e "$crate/Cargo.lock" ]; then
    cp Cargo.lock "$crate/"
fi
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} \
    cargo test --quiet --doc --manifest-path "$crate/Cargo.toml"
