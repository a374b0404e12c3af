#!/usr/bin/env bash
# Type-checks and lints the crate for the platforms that this machine is not, and runs the tests for
# those that it can emulate.
#
#   scripts/check-targets.sh [--quick | --check | --run] [TARGET ...]
#
# --check only type-checks, --run only runs tests; without either, both. --quick type-checks with all
# features only. Every target gets a line in the summary; the exit status is 0 if all passed. Works
# with rustup, and where that has no std for a target on Debian, whose rustc-web can build one.
# Running needs Debian or a relative of it, whose apt the script uses to install the cross compilers
# and qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."

check=1 run=1 quick=
wanted=()
for argument; do
    case $argument in
    --quick) quick=1 run= ;;
    --check) run= ;;
    --run) check= ;;
    [a-z]*-*) wanted+=("$argument") ;;
    *)
        sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done

checked=(
    x86_64-pc-windows-msvc x86_64-pc-windows-gnu
    x86_64-apple-darwin aarch64-apple-darwin
    x86_64-unknown-freebsd
    aarch64-unknown-linux-gnu aarch64-linux-android
    i686-unknown-linux-gnu armv7-unknown-linux-gnueabihf
)
executed=(i686-unknown-linux-gnu aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf)

# What a user may have turned on: the crate's features, and compio-driver's drivers beside them.
feature_sets=(
    ""
    "--no-default-features"
    "--no-default-features --features compio-driver/polling"
    "--all-features"
)
[ -z "$quick" ] || feature_sets=("--all-features")

# ---- tools ----

install() {
    local missing=() package sudo=()
    for package; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -qq update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
        -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
}

# The prefix of Debian's cross compiler, its name for the architecture, and the emulator.
gnu() {
    case $1 in
    i686-unknown-linux-gnu) echo i686-linux-gnu ;;
    aarch64-unknown-linux-gnu) echo aarch64-linux-gnu ;;
    armv7-unknown-linux-gnueabihf) echo arm-linux-gnueabihf ;;
    esac
}
architecture() {
    case $1 in
    i686-*) echo i386 ;;
    aarch64-*) echo arm64 ;;
    armv7-*) echo armhf ;;
    esac
}
emulator() {
    case $1 in
    # The kernel runs these itself, with its own io_uring.
    i686-*) ;;
    aarch64-*) echo qemu-aarch64 ;;
    armv7-*) echo qemu-arm ;;
    esac
}

# The crate io-uring vouches for 64-bit targets only, and has to be told to be built for others.
flags() {
    case $1 in
    i686-*-linux-* | armv7-*-linux-*) echo "--cfg io_uring_skip_arch_check" ;;
    esac
}

# cargo and clippy for TARGET, in $cargo and $clippy, with $std for their options and $deny for the
# lints': with rustup's std, or else with one that Debian's compiler builds. That compiler is newer or
# older than the one that the crate is linted with, and so are its opinions: they are only printed.
cargo_for() {
    local target=$1 version
    if command -v rustup >/dev/null && rustup target add "$target" >/dev/null 2>&1; then
        cargo=(cargo) clippy=(cargo clippy) std=() deny=(-D warnings)
        toolchain="rustc $(rustc --version | cut -d ' ' -f 2)"
        return
    fi
    install rustc-web cargo-web rust-web-src rust-web-clippy
    version=$(dpkg-query --show --showformat '${Version}' rustc-web)
    [ "$version" = "$(dpkg-query --show --showformat '${Version}' rust-web-src)" ]
    local debians=(env -u RUSTUP_TOOLCHAIN "PATH=/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
        CARGO=/usr/bin/cargo "CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/std")
    # Not `cargo clippy`, which looks for the program among what the user has installed first.
    cargo=("${debians[@]}" /usr/bin/cargo) clippy=("${debians[@]}" /usr/bin/cargo-clippy clippy)
    std=(-Zbuild-std) deny=()
    toolchain="Debian's rustc ${version%%+*}, its std built"
}

# ---- the summary ----

summary=()
failed=0
# note VERDICT TARGET WHAT DETAIL
note() {
    local line
    line=$(printf '%-4s  %-30s  %-5s  %s' "$@")
    summary+=("$line")
    echo "$line"
    if [ "$1" = FAIL ]; then failed=1; fi
}

check_target() {
    local target=$1 features what begin=$SECONDS variable
    cargo_for "$target"
    variable=$(tr a-z- A-Z_ <<<"$target")
    # criterion has some C in it, which is not linked, and so need not be compiled.
    local no_c=$PWD/scripts/targets/no-c.sh
    local environment=("CC_${target//-/_}=$no_c" "AR_${target//-/_}=$no_c" SDKROOT=/
        "CARGO_TARGET_${variable}_RUSTFLAGS=$(flags "$target")")
    for features in "${feature_sets[@]}"; do
        # The library by itself too: what the tests need beside it may turn on what it has forgotten.
        for what in --lib --all-targets; do
            # shellcheck disable=SC2086  # words
            if ! env "${environment[@]}" "${clippy[@]}" "${std[@]}" --quiet --target "$target" \
                $what $features -- "${deny[@]}"; then
                note FAIL "$target" check "clippy $what ${features:-(default features)}"
                return
            fi
        done
    done
    note PASS "$target" check "clippy, library, tests, benchmarks, examples; feature sets: ${#feature_sets[@]}; $toolchain; $((SECONDS - begin)) s"
}

run_target() {
    local target=$1 begin=$SECONDS prefix variable log tests count=0
    prefix=$(gnu "$target")
    cargo_for "$target"
    variable=$(tr a-z- A-Z_ <<<"$target")
    log=$(mktemp)
    # Linked statically, the programs need nothing of the target's on this machine, and those that
    # start themselves again find themselves.
    local environment=(
        "CARGO_TARGET_${variable}_LINKER=$prefix-gcc"
        "CARGO_TARGET_${variable}_RUSTFLAGS=-C target-feature=+crt-static $(flags "$target")"
        "CARGO_TARGET_${variable}_RUNNER=timeout 900 $(emulator "$target")"
    )
    tests=(--lib --test=waiter_queue_tests --test=semaphore_tests --test=mutex_tests
        --test=condvar_tests --test=event_tests --test=cancellation_token_tests --test=runtime_edges --test=auto_traits)
    local features status=0
    for features in "--all-features" "--no-default-features --features time,compio-driver/polling"; do
        # shellcheck disable=SC2086  # words
        env "${environment[@]}" "${cargo[@]}" test "${std[@]}" --target "$target" "${tests[@]}" $features \
            -- --test-threads=2 ${SKIP:-} >"$log" 2>&1 || status=$?
        if [ "$status" != 0 ]; then
            tail -n 60 "$log"
            note FAIL "$target" run "tests, $features: exit status $status"
            rm -f "$log"
            return
        fi
        count=$((count + $(sed -n 's/^test result: .* \([0-9]*\) passed;.*/\1/p' "$log" | paste -sd +) + 0))
    done
    rm -f "$log"
    note PASS "$target" run "$count tests, ${2}; $toolchain; $((SECONDS - begin)) s"
}

chosen() { [ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]; }

if [ -n "$run" ]; then
    for target in "${executed[@]}"; do
        chosen "$target" || continue
        prefix=$(gnu "$target")
        install "gcc-$prefix" "libc6-dev-$(architecture "$target")-cross" qemu-user
        case $target in
        i686-*) run_target "$target" "32 bits, on this kernel" ;;
        *) run_target "$target" "$(emulator "$target")" ;;
        esac
    done
fi
if [ -n "$check" ]; then
    for target in "${checked[@]}"; do
        if chosen "$target"; then check_target "$target"; fi
    done
fi

printf '\n%s\n' "check-targets: summary"
printf '%s\n' "${summary[@]}"
exit "$failed"
