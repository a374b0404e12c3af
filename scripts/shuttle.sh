#!/usr/bin/env bash
# Runs whole primitives under random schedules: more threads and longer runs than loom can explore.
#
#   scripts/shuttle.sh                 # all models
#   scripts/shuttle.sh mutex           # those whose name has `mutex` in it
#   SHUTTLE_ITERATIONS=100000 scripts/shuttle.sh    # how many schedules of each kind; 1000 otherwise
#   SHUTTLE_SEED=7 scripts/shuttle.sh               # other ones
#
# A failing schedule is printed, and SHUTTLE_REPLAY=<schedule> runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="${RUSTFLAGS:-} --cfg compio_sync_shuttle"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/shuttle}"
exec cargo test --quiet --release --test shuttle -- "$@" --nocapture
