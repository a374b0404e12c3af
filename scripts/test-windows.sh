#!/usr/bin/env bash
# Builds the crate for Windows and runs its tests on Wine: every test that is not for another
# platform, from a fresh machine (Debian 12 or later, root), with one command.
#
#   scripts/test-windows.sh [--quick] [DIR]     # DIR: where tools and build go; see windows/setup.sh
#
#   --quick   no stress and no documentation tests, no other feature sets, and the completion port
#             tier forced for the semaphore's tests only
#
# Prints a line for each test binary and a total. What Wine shows is that the crate's Windows code
# does what it should with the Windows API as Wine implements it, in real processes and threads. What
# it does not show: how Windows' own kernel behaves, and how fast.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
if [ "${1:-}" = --quick ]; then quick=1; shift; fi
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/compio-sync/windows}
scripts/windows/setup.sh "$dir"
dir=$(cd "$dir" && pwd)
logs=$dir/logs
rm -rf "$logs"
mkdir -p "$logs"

# Nobody debugs these binaries, and they link several times faster without. Backtraces take half a
# minute each in Wine.
export RUST_BACKTRACE=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
export WIN_TEST_TIMEOUT=${WIN_TEST_TIMEOUT:-240}
passed=0 failed=0

# A line for what has just run: its name, its exit status, its log, the seconds it took.
report() {
    local name=$1 status=$2 log=$3 seconds=$4 results
    results=$(sed -n 's/^test result: [A-Za-z]*\. \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored.*/\1 \2 \3/p' "$log")
    local good bad skipped
    read -r good bad skipped < <(awk '{g += $1; b += $2; s += $3} END {print g + 0, b + 0, s + 0}' <<<"$results")
    if [ "$status" -eq 124 ]; then status="no end after $WIN_TEST_TIMEOUT s"; fi
    if [ "$status" != 0 ] || [ "$bad" -ne 0 ] || [ -z "$results" ]; then
        [ "$bad" -ne 0 ] || bad=1
        printf 'FAILED  %-40s %4s passed, %s failed, %s ignored (%s); %s\n' \
            "$name" "$good" "$bad" "$skipped" "$status" "$log"
        tail -40 "$log" | sed 's/^/    /'
    else
        printf 'ok      %-40s %4s passed, %s ignored, %ss\n' "$name" "$good" "$skipped" "$seconds"
    fi
    passed=$((passed + good)) failed=$((failed + bad))
}

# Builds what cargo's arguments name and runs each test binary of it.
suite() {
    local title=$1 log name exe status begin
    shift
    log=$logs/build-${title// /-}.log
    if ! "$dir/bin/win-cargo" test --no-run "$@" >"$log" 2>&1; then
        printf 'FAILED  %-40s does not build; %s\n' "$title" "$log"
        tail -40 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
        return
    fi
    while read -r name exe; do
        status=0
        log=$logs/${title// /-}-$name.log
        begin=$SECONDS
        "$dir/bin/wine-run" "$exe" >"$log" 2>&1 || status=$?
        if [ "$status" -eq 124 ]; then
            # Wine does not always wake a runtime whose task another thread has woken. A wake that
            # this crate loses is lost twice.
            printf 'again   %-40s had not ended after %s s\n' "$title: $name" "$WIN_TEST_TIMEOUT"
            status=0
            "$dir/bin/wine-run" "$exe" >"$log" 2>&1 || status=$?
        fi
        report "$title: $name" "$status" "$log" "$((SECONDS - begin))"
    done < <(sed -n 's/^ *Executable .*(\(.*[/\\]\([^/\\]*\)-[0-9a-f]*\.exe\))$/\2 \1/p' "$log")
}

# Most tests run by each tier that there is. What else is asked for by the variable is asked for of
# all runtimes of a test. The stress tests have tasks that wait for a wake without a rest, which is
# what the completion port tier cannot do: see src/waiter_queue/windows.rs.
behaviour=(--test semaphore_tests --test condvar_tests --test mutex_tests --test event_tests --test once_tests --test oneshot_tests
    --test mpsc_tests --test mpmc_tests --test watch_tests --test broadcast_tests --test rwlock_tests --test notify_tests
    --test coordination_tests --test cancellation_token_tests
    --test waiter_queue_tests)
if [ -n "$quick" ]; then
    suite auto --lib --test windows_specific --test runtime_edges "${behaviour[@]}"
    COMPIO_SYNC_TIER=iocp suite iocp --test semaphore_tests
else
    suite auto --lib --tests
    COMPIO_SYNC_TIER=iocp suite iocp "${behaviour[@]}"
    # A port per driver behind one for the process: what compio makes of IOCP with this feature.
    suite iocp-global --features compio-driver/iocp-global --lib --test windows_specific \
        --test semaphore_tests
    # With this one, compio has events waited for by the kernel's own packets.
    if grep -q NtAssociateWaitCompletionPacket /usr/lib/*/wine/x86_64-windows/ntdll.dll; then
        suite iocp-wait-packet --features compio-driver/iocp-wait-packet --lib \
            --test windows_specific --test semaphore_tests
    else
        printf 'skipped %-40s this Wine has no wait completion packets\n' "iocp-wait-packet"
    fi
    suite without-features --no-default-features --lib --test semaphore_tests
    log=$logs/doc.log status=0
    begin=$SECONDS
    "$dir/bin/win-cargo" test --doc >"$log" 2>&1 || status=$?
    report "documentation" "$status" "$log" "$((SECONDS - begin))"
fi

# The ways to signal a runtime, one of which is the crate's. The figures are Wine's, not
# Windows'; that all of them work is a result.
if [ -z "$quick" ]; then
    log=$logs/windows_rings.log status=1
    if "$dir/bin/win-cargo" test --no-run --bench windows_rings >"$log" 2>&1; then
        exe=$(sed -n 's/^ *Executable .*(\(.*\.exe\))$/\1/p' "$log")
        status=0
        "$dir/bin/wine-run" "$exe" 5 >"$log" 2>&1 || status=$?
    fi
    if [ "$status" -eq 0 ]; then
        printf 'ok      %-40s %4s ways\n' "benchmark: windows_rings" 3
        sed 's/^/            /' "$log"
        passed=$((passed + 1))
    else
        printf 'FAILED  %-40s (%s) %s\n' "benchmark: windows_rings" "$status" "$log"
        tail -20 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
fi

# The example of real work: reads a real directory, the same by either tier.
log=$logs/bounded_tasks.log
example=$dir/target/x86_64-pc-windows-gnu/debug/examples/bounded_tasks.exe
if "$dir/bin/win-cargo" build --example bounded_tasks >"$log" 2>&1; then
    files=$(find src tests -type f | wc -l) same=1 before=
    for tier in iocp generic; do
        for threads in 1 3; do
            for root in src tests; do
                COMPIO_SYNC_TIER=$tier "$dir/bin/wine-run" "$example" --print --limit 4 \
                    --threads $threads $root >"$logs/$root" 2>>"$log" || same=
            done
            cat "$logs/src" "$logs/tests" | tr -d '\r' | sort >"$logs/hashes"
            [ "$(wc -l <"$logs/hashes")" -eq "$files" ] || same=
            [ -z "$before" ] || cmp -s "$before" "$logs/hashes" || same=
            before=$logs/hashes-before
            cp "$logs/hashes" "$before"
        done
    done
else
    same=
fi
if [ -n "$same" ]; then
    printf 'ok      %-40s %4s files hashed, the same by both tiers\n' "example: bounded_tasks" "$files"
    passed=$((passed + 1))
else
    printf 'FAILED  %-40s %s\n' "example: bounded_tasks" "$log"
    tail -20 "$log" | sed 's/^/    /'
    failed=$((failed + 1))
fi

printf '\nWindows on Wine: %s passed, %s failed, %ss\n' "$passed" "$failed" "$SECONDS"
[ "$failed" -eq 0 ]
