#!/usr/bin/env bash
# Runs the models: every claim about threads, in all interleavings up to a number of preemptions.
#
#   scripts/loom.sh             # all of them, some minutes on two cores
#   scripts/loom.sh bell        # those whose name has `bell` in it
#   scripts/loom.sh --deep      # with one preemption more than each model asks for: a night
#   LOOM_MAX_PREEMPTIONS=1 scripts/loom.sh      # fewer interleavings
#
# The cfg has a name of its own because compio's dependencies do not build under `--cfg loom`.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --deep ]; then
    export LOOM_DEEPER=1
    shift
fi
export RUSTFLAGS="${RUSTFLAGS:-} --cfg compio_sync_loom"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/loom}"
cargo test --quiet --release --lib -- "${1:-models}" --nocapture | awk '
    { print }
    match($0, /[0-9]+ interleavings/) { models += 1; sum += substr($0, RSTART) }
    END { printf "loom: %d models, %d interleavings\n", models, sum }'
