#!/usr/bin/env bash
# Fuzzes the primitives: interleavings of one thread, against the sequential models.
#
#   scripts/fuzz.sh 60                  # each target for 60 s
#   scripts/fuzz.sh 900 semaphore       # this one for a quarter of an hour
#   scripts/fuzz.sh --keep semaphore    # the smallest corpus that reaches as much, for fuzz/corpus
#
# Needs cargo-fuzz, which it installs, and a C++ compiler. A stable compiler is talked into the
# flags that are nightly's. What is found on the way stays in fuzz/target/corpus; only a few inputs
# are kept in fuzz/corpus, which `cargo test --test interleavings` plays as well.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTC_BOOTSTRAP=1 CARGO_TERM_COLOR=never
cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet cargo-fuzz

what=${1:?how many seconds, or --keep}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(semaphore semaphore_with_overtaking condvar condvar_with_overtaking event waiter_queue)

for target in "${targets[@]}"; do
    grown=fuzz/target/corpus/$target
    kept=fuzz/corpus/$target
    mkdir -p "$grown"
    if [ "$what" = --keep ]; then
        # The shortest that together reach what can be reached; small enough to be kept.
        smallest=$(mktemp -d)
        cargo fuzz run "$target" "$smallest" "$grown" "$kept" -- -merge=1 >"$grown.log" 2>&1
        find "$kept" -type f -delete
        find "$smallest" -type f -printf '%s %p\n' | sort -n | head -60 | cut -d' ' -f2 |
            xargs -r cp -t "$kept"
        rm -r "$smallest"
        echo "$target: $(find "$kept" -type f | wc -l) inputs kept"
        continue
    fi
    log=$grown.log
    if ! cargo fuzz run "$target" "$grown" "$kept" -- -max_total_time="$what" -max_len=256 \
        -timeout=120 -print_final_stats=1 >"$log" 2>&1; then
        tail -60 "$log"
        echo "$target: FAILED; see $log and fuzz/artifacts/$target"
        exit 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    reached=$(sed -n 's/^#[0-9]*.*DONE *\(cov: [0-9]* ft: [0-9]* corp: [^ ]*\).*/\1/p' "$log")
    echo "$target: $executions executions in $what s, $reached"
done
