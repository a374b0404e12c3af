#!/usr/bin/env bash
# Measures which lines of src/ the test suite runs.
#
#   scripts/coverage.sh
#
# Prints each file's share, and each line that is not run, with the reason that
# scripts/coverage/uncovered.txt gives. Fails if fewer than 95 % of all lines are run, or any line
# of the running platform's file is not. Windows' file is measured where Windows is.
#
# Needs the LLVM tools of the compiler's LLVM version: cargo's component llvm-tools, or Debian's
# package of that number, which it installs.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
host=$(rustc -vV | sed -n 's/^host: //p')
version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
tool() {
    if [ -x "$tools/$1" ]; then echo "$tools/$1"; else echo "$1-$version"; fi
}
if ! command -v "$(tool llvm-cov)" >/dev/null; then
    apt-get -qq update
    apt-get -o DPkg::Lock::Timeout=300 -qq -y install --no-install-recommends "llvm-$version" >/dev/null
fi

out=$PWD/target/coverage
profiles=$out/profiles
rm -rf "$profiles"
export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/coverage/instrument.sh
export LLVM_PROFILE_FILE="$profiles/%p-%m.profraw"
export STRESS_TEST_ITERATIONS=${STRESS_TEST_ITERATIONS:-3} PROPTEST_CASES=${PROPTEST_CASES:-64}

log=$out/tests.log
mkdir -p "$out"
if ! cargo test --all-features --lib --tests --no-fail-fast >"$log" 2>&1; then
    grep -E 'panicked at|^error|FAILED|HANG' "$log" | head -40
    exit 1
fi
objects=$(sed -n 's/^ *Running .*(\(.*\))$/-object \1/p' "$log")

"$(tool llvm-profdata)" merge -sparse "$profiles"/*.profraw -o "$out/all.profdata"
# shellcheck disable=SC2086
"$(tool llvm-cov)" export -format=lcov -instr-profile="$out/all.profdata" $objects \
    --ignore-filename-regex='(/registry/|/rustc/|/tests/|/models)' >"$out/lcov.info"

platform=none
[ "$(uname)" != Linux ] || platform=src/waiter_queue/linux.rs
awk -v root="$PWD/" -v platform="$platform" -v reasons=scripts/coverage/uncovered.txt '
    function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
    BEGIN {
        while ((getline entry < reasons) > 0) {
            if (entry ~ /^#/ || split(entry, part, / \| /) < 3) continue
            reason[trim(part[1]) SUBSEP trim(part[2])] = trim(part[3])
        }
    }
    /^SF:/ {
        file = substr($0, 4); sub(root, "", file)
        known = file ~ /^src\//
        delete text; number = 0
        if (known) {
            files[++count] = file
            while ((getline line < (root file)) > 0) text[++number] = line
        }
    }
    known && /^DA:/ {
        split(substr($0, 4), part, ",")
        source = trim(text[part[1]])
        # A brace is not what is run.
        if (source ~ /^[])}; ,]*$/) next
        lines[file]++
        if (part[2] > 0) { hit[file]++; next }
        why = reason[file SUBSEP source]
        uncovered = uncovered sprintf("%s:%d: %s\n    %s\n", file, part[1], source, why ? why : "NO REASON GIVEN")
        if (!why) unexplained++
    }
    END {
        for (i = 1; i <= count; i++) {
            file = files[i]; all += lines[file]; run += hit[file]
            if (lines[file]) printf "%6.2f %%  %4d of %4d  %s\n", 100 * hit[file] / lines[file], hit[file], lines[file], file
        }
        printf "%6.2f %%  %4d of %4d  lines in all\n", 100 * run / all, run, all
        if (uncovered) printf "\nnot run:\n%s", uncovered
        if (unexplained) printf "%d lines without a reason\n", unexplained
        if (100 * run < 95 * all) { print "fewer than 95 %"; bad = 1 }
        if (platform != "none" && hit[platform] != lines[platform]) { print "not all of " platform; bad = 1 }
        exit bad
    }' "$out/lcov.info"
