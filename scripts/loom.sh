#!/usr/bin/env bash
# Runs the models: every claim about threads, in all interleavings up to a number of preemptions.
#
#   scripts/loom.sh             # all of them, about two minutes on two cores
#   scripts/loom.sh bell        # those whose name has `bell` in it
#   LOOM_MAX_PREEMPTIONS=2 scripts/loom.sh      # fewer interleavings
#
# The cfg has a name of its own because compio's dependencies do not build under `--cfg loom`.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="${RUSTFLAGS:-} --cfg compio_sync_loom"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/loom}"
exec cargo test --quiet --release --lib -- "${1:-models}" --nocapture
