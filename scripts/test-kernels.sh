#!/usr/bin/env bash
# Boots Debian's Linux kernels, from before io_uring had futex operations to the newest, and runs
# the project's tests in each: as they are, with each tier forced, with too few files, with no
# locked memory, and with io_uring switched off.
#
#   scripts/test-kernels.sh [--quick | X.Y ...]
#
# --quick boots the oldest and the newest only, and leaves out variants that differ little. Each
# kernel and variant gets a line in the summary; the exit status is 0 if all passed. Needs Rust, and
# Debian or a relative of it, whose apt it uses to install what is missing (qemu, busybox).
#
# ONLY="tier linux_specific" runs only these variants; SKIP holds options for all test programs,
# e.g. "--skip slow_test". KERNELS is where kernels are kept.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
kernels=()
for argument; do
    case $argument in
    --quick) quick=1 ;;
    [0-9]*) kernels+=("$argument") ;;
    *)
        sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done

[ -z "$quick" ] || ONLY=${ONLY:-"tier linux_specific forced_futex few_files no_locked_memory uring_disabled"}

packages=()
for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio setpriv:util-linux strip:binutils; do
    command -v "${tool%:*}" >/dev/null || packages+=("${tool#*:}")
done
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
if [ ${#packages[@]} -gt 0 ]; then
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -qq update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
        -qq -y install --no-install-recommends "${packages[@]}" >/dev/null
fi

if [ ${#kernels[@]} = 0 ]; then
    mapfile -t kernels < <(scripts/kernels/fetch.sh list | cut -d ' ' -f 1)
    [ -z "$quick" ] || kernels=("${kernels[0]}" "${kernels[-1]}")
fi
[ ${#kernels[@]} -gt 0 ]

work=$(mktemp -d)
trap '[ ! -s "$work/pid" ] || kill "$(cat "$work/pid")" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 143' INT TERM
root=$work/root
mkdir -p "$root"/{bin,dev,proc,root,sys,tests,tmp}

# The same build as that of `cargo test --all-features`.
binaries=(linux_specific runtime_edges waiter_queue_tests semaphore_tests mutex_tests condvar_tests event_tests
    cancellation_token_tests rwlock_tests once_tests notify_tests coordination_tests oneshot_tests mpsc_tests mpmc_tests
    watch_tests broadcast_tests)
cargo test --quiet --all-features --no-run --lib "${binaries[@]/#/--test=}" --message-format json >"$work/artifacts"
cargo build --quiet --all-features --example condvar_signaling --message-format json >>"$work/artifacts"
{
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$work/artifacts"
    command -v setpriv prlimit
} | while read -r program; do
    name=$(basename "$program" | sed 's/-[0-9a-f]\{16\}$//; s/^compio_sync$/lib/')
    strip --strip-debug -o "$root/tests/$name" "$program"
    ldd "$program" | grep -oE '/[^ ]+' | while read -r library; do
        [ -e "$root$library" ] || install -D "$library" "$root$library"
    done
done
for name in lib condvar_signaling "${binaries[@]}"; do
    [ -x "$root/tests/$name" ] || { echo "test-kernels: cargo has built no $name" >&2; exit 1; }
done

cp -L "$(command -v busybox)" "$root/bin/busybox"
install -m 755 scripts/kernels/guest.sh "$root/init"
printf 'only=%q\nskip=%q\n' "${ONLY:-}" "${SKIP:-}" >"$root/tests/options"
# Not only for root.
chmod -R a+rX "$root"
scripts/kernels/boot.sh pack "$root" "$work/initrd"

summary=()
failed=0
# note VERDICT KERNEL VARIANT DETAIL
note() {
    local line
    line=$(printf '%-4s  %-24s  %-16s  %s' "$@")
    summary+=("$line")
    echo "$line"
    if [ "$1" = FAIL ]; then failed=1; fi
}

for kernel in "${kernels[@]}"; do
    begin=$SECONDS
    if ! fetched=$(scripts/kernels/fetch.sh "$kernel"); then
        note FAIL "Linux $kernel" fetch "it could not be fetched"
        continue
    fi
    read -r _ version image <<<"$fetched"
    ended=
    while IFS= read -r line; do
        line=${line%$'\r'}
        if [[ $line != "@@ "* ]]; then
            printf '    %s\n' "$line"
            continue
        fi
        read -r _ variant verdict detail <<<"$line"
        if [ "$variant" = end ]; then
            ended="booted as $verdict, $((SECONDS - begin)) s in all"
        else
            note "${verdict^^}" "Linux $version" "$variant" "$detail"
        fi
    done < <(
        echo "$BASHPID" >"$work/pid"
        BOOT_CONSOLE=$work/console BOOT_TIMEOUT=${BOOT_TIMEOUT:-1500} exec scripts/kernels/boot.sh run "$image" "$work/initrd"
    )
    if [ -n "$ended" ]; then
        note PASS "Linux $version" "boot" "$ended"
    else
        tail -n 30 "$work/console"
        note FAIL "Linux $version" "boot" "it did not come to its end"
    fi
done

printf '\n%s\n' "test-kernels: summary"
printf '%s\n' "${summary[@]}"
exit "$failed"
