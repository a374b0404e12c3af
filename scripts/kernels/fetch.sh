#!/usr/bin/env bash
# Fetches Debian's cloud kernels: of each X.Y in bookworm, trixie and trixie-backports the newest.
#
#   fetch.sh list       prints "X.Y VERSION" for each of them, oldest first
#   fetch.sh X.Y ...    fetches these, and prints "X.Y VERSION PATH" for each
#
# Needs apt, and Debian's archive keyring. The packages come from the mirror that apt uses already;
# DEBIAN_MIRROR names another. apt's own lists are left alone: these are kept, like the kernels, in
# KERNELS (default: the user's cache folder).
set -euo pipefail

kernels=${KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/compio-sync/kernels}
mkdir -p "$kernels"/apt/{lists,archives}/partial "$kernels/apt/etc"

# Debian's own user for downloads may not read a home folder.
apt_options=(
    -o "Dir::Etc::SourceList=$kernels/apt/sources.list" -o "Dir::Etc::SourceParts=/dev/null"
    -o "Dir::State::Lists=$kernels/apt/lists" -o "Dir::State::Status=/dev/null"
    -o "Dir::Cache::Archives=$kernels/apt/archives" -o "Dir::Cache::PkgCache=" -o "Dir::Cache::SrcPkgCache="
    -o "APT::Architecture=amd64" -o "APT::Architectures=amd64" -o "APT::Sandbox::User=root"
    -o "Acquire::Languages=none" -o "Acquire::Retries=3" -o "Debug::NoLocking=1"
)

index() {
    local mirror=${DEBIAN_MIRROR:-}
    if [ -z "$mirror" ]; then
        # shellcheck disable=SC2016  # it is for apt to expand
        mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | sort -u | head -n 1 || true)
    fi
    [ -n "$mirror" ] || { echo "fetch.sh: apt knows no Debian mirror; name one in DEBIAN_MIRROR" >&2; exit 1; }
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite
    for suite in bookworm trixie trixie-backports; do
        echo "deb [target=Packages signed-by=$keyring] $mirror $suite main"
    done >"$kernels/apt/sources.list"
    apt-get "${apt_options[@]}" -qq update >&2
    # Up to 6.18 the image is in linux-image-*, since then in linux-binary-*, and linux-image-* is small.
    apt-cache "${apt_options[@]}" dumpavail | awk -v RS= '
        /^Package: linux-(image|binary)-[0-9][^\n]*-cloud-amd64\n/ {
            size = 0
            split($0, lines, "\n")
            for (n in lines) {
                if (lines[n] ~ /^Package: /) package = substr(lines[n], 10)
                if (lines[n] ~ /^Version: /) version = substr(lines[n], 10)
                if (lines[n] ~ /^Size: /) size = substr(lines[n], 7)
            }
            split(version, numbers, ".")
            if (size > 1000000) print numbers[1] "." numbers[2], version, package
        }' | sort -k1,1V -k2,2Vr | awk '!seen[$1]++' >"$kernels/index.new"
    [ -s "$kernels/index.new" ] || { echo "fetch.sh: no kernels in the index" >&2; exit 1; }
    mv "$kernels/index.new" "$kernels/index"
}

# A day old is new enough; and an old index is better than none.
if [ -z "$(find "$kernels/index" -mtime -1 2>/dev/null)" ]; then
    (index) || { [ -s "$kernels/index" ] && echo "fetch.sh: going on with the index from before" >&2; }
fi

if [ "${1:-}" = list ]; then
    cut -d ' ' -f 1,2 "$kernels/index"
    exit
fi
for kernel; do
    read -r _ version package < <(grep "^${kernel//./\\.} " "$kernels/index") ||
        { echo "fetch.sh: there is no kernel $kernel" >&2; exit 1; }
    image=$kernels/$version.vmlinuz
    if [ ! -s "$image" ]; then
        folder=$(mktemp -d "$kernels/fetch.XXXXXX")
        trap 'rm -rf "$folder"' EXIT
        (cd "$folder" && apt-get "${apt_options[@]}" -qq download "$package=$version" >&2)
        dpkg-deb --fsys-tarfile "$folder"/*.deb >"$folder/tar"
        # In /boot, or for the newest ones under /usr/lib/modules.
        name=$(tar -tf "$folder/tar" | grep -E '/vmlinuz[^/]*$' | sed -n 1p)
        tar -xOf "$folder/tar" "$name" >"$folder/vmlinuz"
        mv "$folder/vmlinuz" "$image"
        rm -rf "$folder"
    fi
    echo "$kernel $version $image"
done
