#!/usr/bin/env bash
# Proves, as far as it goes, what docs/verification.md says: one line per kind of proof, with counts.
#
#   scripts/prove.sh            # everything, from a fresh checkout; hours
#   scripts/prove.sh --quick    # a part that fits into CI
#
# PROVE_FUZZ_SECONDS says how long each fuzz target runs: a quarter of an hour by default.
# shellcheck disable=SC2317 # `prove` is given the names of the functions that it calls.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

quick=
iterations=300
if [ "${1:-}" = --quick ]; then
    quick=1
    iterations=30
fi
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
logs=target/prove
mkdir -p "$logs"
failed=0

# Runs a proof; prints its line: what `summary`, a command, makes of the log.
prove() { # NAME SUMMARY COMMAND...
    local name=$1 summary=$2 log=$logs/$1.log
    shift 2
    local begin=$SECONDS
    if "$@" >"$log" 2>&1; then
        printf '%-16s ok      %s (%s s)\n' "$name" "$("$summary" "$log")" $((SECONDS - begin))
    else
        printf '%-16s FAILED  see %s\n' "$name" "$log"
        grep -E 'panicked at|^error|FAILED|HANG|SUMMARY' "$log" | head -20
        failed=1
    fi
}

passed() {
    awk '/^test result:/ { passed += $4 } END { printf "%d tests", passed }' "$1"
}

last_line() {
    tail -n 1 "$1"
}

lines() {
    grep -E "tests passed|executions in" "$1" | paste -sd ';' | sed 's/;/; /g'
}

histories() {
    awk '/ histories, / {
            for (i = 1; i <= NF; i++) if ($i == "histories,") histories += $(i - 1)
            for (i = 1; i <= NF; i++) if ($i == "calls:") calls += $(i + 1)
            for (i = 1; i <= NF; i++) if ($i == "overlapping:") overlapping += $(i + 1)
        }
        /_is_found \.\.\. ok/ || /_is_found - .*ok/ { found++ }
        END { printf "%d histories, %d calls, %d of them overlapping; %d planted mistakes found", histories, calls, overlapping, found }' "$1"
}

games() {
    awk '/ games from the corpus, / {
            kept += $2; for (i = 1; i <= NF; i++) if ($i == "in") games += $(i - 1)
            for (i = 1; i <= NF; i++) if ($i == "calls:") calls += $(i + 1)
        }
        END { printf "%d games, %d of them kept by fuzzing, %d calls", games, kept, calls }' "$1"
}

peers() {
    printf '%s; ' "$(passed "$1")"
    grep -E ': passes [0-9]+ of [0-9]+$' "$1" | sed 's/: passes / /' | paste -sd ',' | sed 's/,/, /g'
}

suite() { # TEST ITERATIONS
    STRESS_TEST_ITERATIONS=$2 cargo test --all-features --test "$1" -- --nocapture
}

# 1, 2: all interleavings of small parts, and random ones of larger ones.
if [ -z "$quick" ]; then
    prove loom passed scripts/loom.sh
    prove mutants last_line scripts/mutants.sh
    prove shuttle passed scripts/shuttle.sh
else
    prove shuttle passed env SHUTTLE_ITERATIONS=200 scripts/shuttle.sh
fi

# 3, 5, 6, 8: against models, from seeds and from a corpus; properties; other crates' cases.
prove linearizability histories suite linearizability "$iterations"
prove interleavings games suite interleavings "$iterations"
prove properties passed suite properties 30
prove peer_cases peers suite peer_cases 30

# 4, 5: the compiler's own checks, at run time, and fuzzing. Compiling for them takes too long for CI.
if [ -z "$quick" ]; then
    prove sanitizers lines scripts/sanitizers.sh
    prove fuzzing lines scripts/fuzz.sh "${PROVE_FUZZ_SECONDS:-900}"
fi

exit "$failed"
