#!/usr/bin/env bash
# Sets up what builds this crate for Windows and runs it: on Debian 12 or later, from Debian's own
# packages. Run as root; may be run again.
#
#   scripts/windows/setup.sh [DIR]      # DIR: where to, by default the user's cache
#
# Makes:
#   DIR/bin/win-cargo COMMAND [ARGS]    cargo for x86_64-pc-windows-gnu, which runs in Wine
#   DIR/bin/wine-run  EXE [ARGS]        a program in Wine, for at most WIN_TEST_TIMEOUT seconds
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/compio-sync/windows}
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
say() { printf '[windows/setup %ss] %s\n' "$SECONDS" "$*"; }

# rustc-web, cargo-web and rust-web-src are of one source package, so that std, which Debian does not
# have for Windows, can be built from source by the very compiler that it belongs to.
packages=(rustc-web cargo-web rust-web-src rust-web-clippy gcc-mingw-w64-x86-64-win32 wine64)
version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }
for package in "${packages[@]}"; do
    [ -n "$(version "$package")" ] && continue
    say "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq -y)
    "${apt[@]}" update
    "${apt[@]}" install --no-install-recommends "${packages[@]}" >"$dir/apt.log" 2>&1 ||
        { tail -20 "$dir/apt.log"; exit 1; }
    break
done
[ "$(version rustc-web)" = "$(version rust-web-src)" ] ||
    { echo "rustc-web and rust-web-src are not of the same version" >&2; exit 1; }
wine=/usr/lib/wine/wine64
say "$(/usr/bin/rustc -V), $("$wine" --version)"

# RUSTC_BOOTSTRAP: building std from source is not stable yet; nothing else is used that is not.
cat >"$dir/bin/win-cargo" <<EOF
#!/bin/sh
export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 PATH=/usr/bin:\$PATH
export CARGO_TARGET_DIR=\${WIN_TARGET_DIR:-$dir/target}
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc-win32
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$dir/bin/wine-run
unset RUSTUP_TOOLCHAIN
command=\$1; shift
exec /usr/bin/cargo "\$command" -Zbuild-std --target x86_64-pc-windows-gnu "\$@"
EOF
# No display, no installer of other runtimes, and no debugger that would wait for somebody.
cat >"$dir/bin/wine-run" <<EOF
#!/bin/sh
export WINEPREFIX=$dir/prefix WINEDEBUG=\${WINEDEBUG:--all}
export WINEDLLOVERRIDES='mscoree,mshtml=;winemenubuilder.exe,winedbg.exe=d'
exec timeout -k 5 \${WIN_TEST_TIMEOUT:-600} $wine "\$@" </dev/null
EOF
chmod +x "$dir/bin/win-cargo" "$dir/bin/wine-run"

if [ ! -e "$dir/prefix/ready" ]; then
    WIN_TEST_TIMEOUT=180 "$dir/bin/wine-run" wineboot -i >"$dir/wineboot.log" 2>&1 ||
        { tail -20 "$dir/wineboot.log"; exit 1; }
    system32=$dir/prefix/drive_c/windows/system32
    if [ ! -e "$system32/bcryptprimitives.dll" ]; then
        x86_64-w64-mingw32-gcc-win32 -O2 -s -shared -o "$system32/bcryptprimitives.dll" \
            "$here/bcryptprimitives.c" -lbcrypt
    fi
    touch "$dir/prefix/ready"
fi
say "ready in $dir"
