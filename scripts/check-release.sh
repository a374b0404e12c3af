#!/usr/bin/env bash
# Checks that the crate could be published as it is.
#
#   scripts/check-release.sh             # everything
#   scripts/check-release.sh --quick     # what is in the package, its docs, its public API
#   scripts/check-release.sh --bless     # writes docs/public-api.txt, the listing of the public API
#
# package     the list of files, the size; what is in the package compiles by itself
# docs        docs.rs's settings build without a warning
# api         docs/public-api.txt is what the crate exports
# changelog   the version has an entry, or is being prepared under Unreleased
# rust        the tests pass with the Rust that the manifest promises, and nothing newer
# minimal     the crate compiles with the oldest dependencies that the manifest allows
# features    the crate compiles with every combination of its features and compio's drivers
# deny        licences, sources, bans
# advisories  no dependency has one; skipped if the database cannot be fetched
# semver      nothing that was released has been broken; skipped if no release has been tagged
#
# Ends with a list of what was skipped, which is not proved then. The workflow `ci.yml` has a network: it
# runs all of it when something lands and once a week, and semver, against the base, for each pull request.
#
# Installs what is missing of cargo-hack, cargo-deny and cargo-semver-checks. Needs Python 3.
# Nightly's options are had from the installed compiler by RUSTC_BOOTSTRAP.

# Claims are functions, called by `claim`.
# shellcheck disable=SC2317
set -euo pipefail
cd "$(dirname "$0")/.."

quick='' bless=''
case ${1:-} in
'') ;;
--quick) quick=1 ;;
--bless) bless=1 ;;
*)
    sed -n '2,/^$/{/^$/d;s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac

export CARGO_TERM_COLOR=never
scratch=target/release-check
mkdir -p "$scratch"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
promised=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
failed=0 skipped=''

verdict() { # NAME STATUS WHAT
    printf '%-5s %-10s %s\n' "$2" "$1" "$3"
    case $2 in
    FAIL) failed=1 ;;
    SKIP) skipped+=" $1" ;;
    esac
}

finish() {
    if [ -n "$skipped" ]; then echo "not checked:$skipped"; fi
    exit "$failed"
}

# Runs a command whose success is the claim; its output is shown if it fails. Inside, a failing command
# does not end a function by itself.
claim() { # NAME WHAT COMMAND...
    local name=$1 what=$2 log=$scratch/$1.log
    shift 2
    if "$@" >"$log" 2>&1; then
        verdict "$name" PASS "$what"
    else
        tail -n 40 "$log"
        verdict "$name" FAIL "$what"
    fi
}

# A tool of cargo's, of a version that the listing and the checks are known to work with.
tool() { # NAME VERSION
    cargo "${1#cargo-}" --version >/dev/null 2>&1 || cargo install --quiet --locked "$1@$2"
}

# ---- package ----

# No tests, examples, benchmarks, drawings or scripts: they are for those who have the repository.
expected='^(\.cargo_vcs_info\.json|Cargo\.(toml|toml\.orig|lock)|LICENSE|(README|CHANGELOG|docs/MIGRATION)\.md|src/[a-z0-9_/]+\.rs)$'
limit=260000
package() {
    local package list size
    list=$(cargo package --quiet -p compio-sync --list --allow-dirty) || return 1
    if grep -vE "$expected" <<<"$list"; then
        echo "does not belong in the package"
        return 1
    fi
    CARGO_TARGET_DIR=$scratch/target cargo package --quiet -p compio-sync --allow-dirty --all-features || return 1
    package=$scratch/target/package/compio-sync-$version.crate
    size=$(stat -c %s "$package") || return 1
    echo "$(wc -l <<<"$list") files, $size bytes"
    [ "$size" -le "$limit" ] || return 1
    if tar -xzOf "$package" | LC_ALL=C grep -aF -e "$HOME/" -e "$PWD/"; then
        echo "a path of one machine"
        return 1
    fi
}
if [ -z "$bless" ]; then
    claim package "clean, below $limit bytes, compiles by itself" package
fi

# ---- docs ----

docs() {
    # For this machine's platform; the others' std need not be here.
    RUSTC_BOOTSTRAP=1 RUSTDOCFLAGS="--cfg docsrs -D warnings" CARGO_TARGET_DIR=$scratch/target \
        cargo doc --quiet --no-deps --all-features --lib
}
if [ -z "$bless" ]; then
    claim docs "docs.rs's settings build without a warning" docs
fi

# ---- the public API ----

api() {
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$scratch/target cargo rustdoc --quiet -p compio-sync --lib --all-features \
        -- -Z unstable-options --output-format json --cap-lints allow
    python3 scripts/release/public_api.py "$scratch/target/doc/compio_sync.json"
}
api >"$scratch/public-api.txt"
if [ -n "$bless" ]; then
    cp "$scratch/public-api.txt" docs/public-api.txt
    exit
fi
claim api "docs/public-api.txt is current (else: scripts/check-release.sh --bless)" \
    diff -u docs/public-api.txt "$scratch/public-api.txt"

claim changelog "CHANGELOG.md speaks of $version, or of what is unreleased" \
    grep -qE "^## \[($version|Unreleased)\]" CHANGELOG.md

if [ -n "$quick" ]; then
    for name in rust minimal features deny advisories semver; do
        verdict "$name" SKIP "left out by --quick"
    done
    finish
fi

# ---- the promised Rust ----

rust=()
if ! rustc --version | grep -qF "rustc $promised."; then rust=("+$promised"); fi
# A toolchain of that number, or one whose number is that with a patch.
if [ ${#rust[@]} -gt 0 ] && ! cargo "${rust[@]}" --version >/dev/null 2>&1; then rust=("+$promised.0"); fi
promised_rust() {
    cargo ${rust+"${rust[@]}"} --version &&
        cargo ${rust+"${rust[@]}"} test --quiet --all-features
}
claim rust "tests pass with Rust $promised" promised_rust

# ---- the oldest dependencies ----

minimal() {
    local copy=$scratch/minimal
    rm -rf "$copy"
    mkdir -p "$copy" && cp -r README.md docs src "$copy" || return 1
    # The library alone: what its tests need is nobody else's.
    awk '/^\[/ { skip = /dev-dependencies|^\[workspace\]/ } !skip' Cargo.toml >"$copy/Cargo.toml"
    (
        # A workspace of its own, or cargo would look for one above.
        cd "$copy" && printf '\n[workspace]\n' >>Cargo.toml &&
            RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions &&
            export CARGO_TARGET_DIR=../target &&
            cargo check --lib --all-features &&
            cargo check --lib --no-default-features
    )
}
claim minimal "compiles with the oldest dependencies that are allowed" minimal

# ---- every combination of features ----

tool cargo-hack 0.6.45
powerset() {
    CARGO_TARGET_DIR=$scratch/target cargo hack check --quiet -p compio-sync --lib --feature-powerset \
        --features compio-driver/polling,compio-driver/io-uring || return 1
    # Without compio's drivers beside them.
    CARGO_TARGET_DIR=$scratch/target cargo hack check --quiet -p compio-sync --lib --feature-powerset
}
claim features "compiles with every combination of features" powerset

# ---- licences and advisories ----

tool cargo-deny 0.20.2
claim deny "licences, bans and sources" cargo deny check licenses bans sources
if timeout 120 cargo deny fetch >"$scratch/advisories.log" 2>&1; then
    claim advisories "no dependency with an advisory, none yanked" cargo deny check advisories
else
    verdict advisories SKIP "cannot fetch RustSec's database: $(tail -n 1 "$scratch/advisories.log")"
fi

# ---- what was published ----

last=$(git tag --list 'v[0-9]*' --sort=-version:refname | head -1)
if [ -n "$last" ]; then
    tool cargo-semver-checks 0.44.0
    claim semver "nothing that $last has is broken" \
        cargo semver-checks --all-features --baseline-rev "$last"
else
    verdict semver SKIP "no release has been tagged"
fi

finish
