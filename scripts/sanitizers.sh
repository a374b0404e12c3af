#!/usr/bin/env bash
# Runs the test suite under LLVM's sanitizers, and some of it under valgrind.
#
#   scripts/sanitizers.sh                 # all of them
#   scripts/sanitizers.sh address thread  # these
#   scripts/sanitizers.sh ends            # of `thread`, what runtimes do that end while they are woken
#
# address    AddressSanitizer and LeakSanitizer, over the whole suite, by the installed compiler.
# thread     ThreadSanitizer, over what runs on several threads. It has to see std's atomics and
#            locks too, so std is built as well, from Debian's sources with Debian's compiler
#            (rustc-web and rust-web-src); the runtime is that of the installed compiler, whose
#            LLVM is of the same version.
# valgrind   memcheck, over the tests that are polled by hand. It knows io_uring only in part, so
#            nothing that needs a compio runtime is run under it.
#
# What is suppressed, and why, is in scripts/sanitizers/*.supp.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
root=$PWD
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
# Sanitized code is ten times as slow.
export STRESS_TEST_ITERATIONS=${STRESS_TEST_ITERATIONS:-3} PROPTEST_CASES=${PROPTEST_CASES:-64}

# Prints how many tests a log says have passed, and fails if any has not.
count() {
    awk -v name="$1" '/^test result:/ { passed += $4; failed += $6 }
        END { printf "%s: %d tests passed, %d failed\n", name, passed, failed; exit !passed || failed }' "$2"
}

run() { # NAME LOG COMMAND...
    local name=$1 log=$2
    shift 2
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        grep -nE 'SUMMARY|ERROR: |WARNING: ThreadSanitizer|panicked at|^error|FAILED|HANG' "$log" | head -40
        echo "$name: FAILED; see $log"
        return 1
    fi
    count "$name" "$log"
}

address() {
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan \
        ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1 \
        LSAN_OPTIONS=suppressions=$root/scripts/sanitizers/leak.supp:print_suppressions=0 \
        run address target/asan/address.log \
        cargo test --all-features --lib --tests --no-fail-fast --target "$host"
}

thread() {
    under_thread_sanitizer thread --lib --tests
}

ends() {
    STRESS_TEST_ITERATIONS=20 under_thread_sanitizer ends --test runtimes_end
}

under_thread_sanitizer() { # NAME WHAT...
    if ! [ -x /usr/bin/rustc ] || ! [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src" ]; then
        apt-get -qq update
        apt-get -o DPkg::Lock::Timeout=300 -qq -y install --no-install-recommends \
            rustc-web rust-web-src >/dev/null
    fi
    local llvm
    for compiler in rustc /usr/bin/rustc; do
        llvm="${llvm:-} $("$compiler" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"
    done
    [ "${llvm% *}" = " ${llvm##* }" ] || { echo "the compilers' LLVM differ:$llvm" >&2; return 1; }
    local runtime
    runtime=$(find "$(rustc --print sysroot)/lib/rustlib/$host/lib" -name 'librustc*_rt.tsan.a' | head -1)
    local linker
    linker=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$host")_LINKER
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt" TSAN_RUNTIME=$runtime TSAN_HOST=$host \
        CARGO_TARGET_DIR=target/tsan \
        TSAN_OPTIONS=suppressions=$root/scripts/sanitizers/thread.supp:halt_on_error=1 \
        run "$1" "target/tsan/$1.log" \
        env "$linker=$root/scripts/sanitizers/link-thread.sh" \
        cargo test -Zbuild-std --all-features "${@:2}" --no-fail-fast --target "$host"
}

valgrind() {
    command -v valgrind >/dev/null ||
        apt-get -o DPkg::Lock::Timeout=300 -qq -y install --no-install-recommends valgrind >/dev/null
    cargo test --quiet --all-features --no-run --test interleavings --test peer_cases
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite" \
        STRESS_TEST_ITERATIONS=1 \
        run valgrind target/valgrind.log \
        cargo test --all-features --test interleavings
}

[ $# -gt 0 ] || set -- address thread valgrind
for one in "$@"; do
    "$one"
done
