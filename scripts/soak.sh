#!/usr/bin/env bash
# Stresses the primitives for long: memory has to stay flat, and nothing may hang.
#
#   scripts/soak.sh            # ten minutes of measured memory, and ten times the usual stress
#   scripts/soak.sh 60 30      # a minute, and the usual stress
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
iterations=${2:-300}
export CARGO_TERM_COLOR=never

cargo test --quiet --release --all-features --test stress --no-run
echo "memory for $seconds s"
COMPIO_SYNC_SOAK_SECONDS=$seconds \
    cargo test --quiet --release --all-features --test stress -- \
    --exact hostile::memory_stays_flat --nocapture | grep -E '^memory:|^test result'
echo "stress, $iterations iterations"
STRESS_TEST_ITERATIONS=$iterations \
    cargo test --quiet --release --all-features --test stress
STRESS_TEST_ITERATIONS=$iterations \
    cargo test --quiet --release --all-features --test linearizability
