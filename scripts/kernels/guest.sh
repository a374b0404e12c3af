#!/bin/busybox sh
# The whole system of a booted kernel: runs the project's tests, which are in /tests, in several
# surroundings. Prints a line "@@ VARIANT pass|fail|skip DETAIL" for each, and before it the end of
# the output of those that fail.
#
# Each variant is a function that says in `detail` what it found, and fails as the last thing it
# does, or explicitly.
#
# shellcheck shell=dash
B=/bin/busybox
$B mount -t devtmpfs dev /dev 2>/dev/null
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t tmpfs tmp /tmp
$B chmod 1777 /tmp
$B --install -s /bin
$B stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
export PATH=/bin HOME=/root TMPDIR=/tmp RUST_BACKTRACE=1
ip link set lo up
cd /tmp || exit 1

# What test-kernels.sh was told: $only, the names of variants (none: all), and $skip, libtest's
# options.
only='' skip=''
# shellcheck source=/dev/null
. /tests/options

# ---- what the variants are made of ----

# Runs a command with no further privileges, if $as says so, and for a minute or so.
limited() {
    seconds=$1
    shift
    # shellcheck disable=SC2086  # words
    timeout "$seconds" $as "$@"
}
as=
nobody="/tests/setpriv --reuid 65534 --regid 65534 --clear-groups"

# suite BINARY...: all tests of each.
suite() {
    for binary; do
        # shellcheck disable=SC2086  # words
        limited 400 "/tests/$binary" --test-threads=2 $skip || {
            echo "$binary: exit status $?"
            return 1
        }
    done
}

behaviour="waiter_queue_tests semaphore_tests mutex_tests condvar_tests event_tests cancellation_token_tests"

with_files=
# played ROLE TIER: a part of the test of what happens where the futex tier cannot be had, with
# COMPIO_SYNC_TIER=TIER. The test asserts, after wakes from another thread, which tier there is.
played() {
    # shellcheck disable=SC2086  # words
    COMPIO_SYNC_TEST_ROLE=$1 COMPIO_SYNC_TIER=$2 limited 120 $with_files /tests/linux_specific \
        test_linux_futex_fallback --nocapture --test-threads=1 >/tmp/played 2>&1
    status=$?
    cat /tmp/played
    [ $status = 0 ] && grep -q "PLAYED $1" /tmp/played
}

# found REGEX: what the test of the kernel's version says about the futex tier here.
found() {
    limited 120 /tests/linux_specific test_linux_kernel_version_detection --nocapture \
        >/tmp/found 2>&1
    status=$?
    cat /tmp/found
    [ $status = 0 ] && grep -q "Linux .*: $1" /tmp/found
}

# A program that forces the futex tier in vain ends with a message that says why, and what to do.
refused() {
    COMPIO_SYNC_TIER=futex limited 60 /tests/condvar_signaling >/tmp/refused 2>&1
    status=$?
    cat /tmp/refused
    [ $status = 101 ] &&
        grep -q "COMPIO_SYNC_TIER=futex asks for what this runtime cannot have: .*$1" /tmp/refused &&
        grep -q "Unset the variable, or set it to auto" /tmp/refused
}

# ---- the variants ----

release=$(uname -r)
major=${release%%.*}
minor=${release#*.}
minor=${minor%%[!0-9]*}
# Linux 6.7 brought io_uring's futex operations.
if [ "$major" -gt 6 ] || { [ "$major" = 6 ] && [ "$minor" -ge 7 ]; }; then
    best=futex
else
    best=generic
fi

tier() {
    detail="$best, "
    case $best in
    futex) played tier-auto auto && found "Ok(())" ;;
    generic) played tier-auto auto && found "Err(NoFutexOperations)" ;;
    esac
}

linux_specific() { suite linux_specific; }

# shellcheck disable=SC2086  # words
auto() { suite lib runtime_edges $behaviour; }

# The tests run by each tier anyway, if none is forced.
forced() {
    COMPIO_SYNC_TIER=$1
    export COMPIO_SYNC_TIER
    suite waiter_queue_tests semaphore_tests
    status=$?
    unset COMPIO_SYNC_TIER
    return $status
}

forced_generic() { forced generic && played tier-generic generic; }

forced_futex() {
    case $best in
    futex) forced futex && played tier-futex futex ;;
    generic) detail="refused, " && refused "no futex operations" && played tier-futex futex ;;
    esac
}

# With each number of files, from too few for a runtime to plenty, runtimes work, or making one fails
# with the system's error. Nothing hangs, or fails in another way.
few_files() {
    files=4 without=0 with=0
    while [ $files -lt 28 ]; do
        with_files="/tests/prlimit --nofile=$files"
        played tier-auto auto >/tmp/few 2>&1
        status=$?
        with_files=
        if [ $status = 0 ]; then
            with=$((with + 1))
        elif grep -q "a runtime: .*Too many open files" /tmp/played && grep -q "^test result: FAILED" /tmp/played; then
            without=$((without + 1))
        else
            cat /tmp/few
            echo "with $files files: exit status $status"
            return 1
        fi
        files=$((files + 1))
    done
    detail="$without limits too low, $with high enough, "
    [ $without -gt 0 ] && [ $with -gt 0 ]
}

# Not for root, whose memory is not counted. Some kernels count a ring's: there is none then, and
# compio's other driver takes over.
no_locked_memory() {
    as=$nobody
    old=$(ulimit -l)
    ulimit -S -l 0
    if played tier-auto auto && suite semaphore_tests event_tests; then
        if [ $best = generic ] || found "Ok(())"; then
            detail="$best, "
        else
            detail="generic, for want of a ring, "
            found 'Err(Driver { tier: Futex, driver: "Poll" })'
        fi
    else
        false
    fi
    status=$?
    ulimit -S -l "$old"
    as=
    return $status
}

# uring VALUE TESTS: the kernel's io_uring is switched off, for all or for the unprivileged; compio's
# other driver takes over.
uring() {
    echo "$1" >/proc/sys/kernel/io_uring_disabled || return
    detail="generic, "
    # shellcheck disable=SC2086  # words
    found 'Err(Driver { tier: Futex, driver: "Poll" })' && played tier-auto auto &&
        refused "driver, Poll" && suite $2
    status=$?
    echo 0 >/proc/sys/kernel/io_uring_disabled
    return $status
}

uring_disabled() { uring 2 "lib runtime_edges $behaviour"; }

uring_privileged() {
    as=$nobody
    uring 1 semaphore_tests
    status=$?
    as=
    return $status
}

# ---- all of them ----

now() { cut -d . -f 1 /proc/uptime; }

for name in tier linux_specific auto forced_generic forced_futex few_files no_locked_memory \
    uring_disabled uring_privileged; do
    case " ${only:-$name} " in *" $name "*) ;; *) continue ;; esac
    case $name in
    uring_*)
        if [ ! -e /proc/sys/kernel/io_uring_disabled ]; then
            echo "@@ $name skip the kernel has no such switch"
            continue
        fi
        ;;
    esac
    begin=$(now) detail=
    if $name >/tmp/log 2>&1; then
        verdict=pass
    else
        verdict=fail
        echo "---- $name"
        tail -n 120 /tmp/log
    fi
    tests=$(sed -n 's/^test result: .* \([0-9]*\) passed;.*/\1/p' /tmp/log |
        awk '{ n += $1 } END { print n + 0 }')
    echo "@@ $name $verdict $detail$tests tests, $(($(now) - begin)) s"
done
echo "@@ end $release"
stty -F /dev/ttyS1 >/dev/null # returns when all has been sent
sleep 0.2
poweroff -f
