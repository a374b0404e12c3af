#!/usr/bin/env bash
# Breaks the protocols in one place at a time, and expects each time that a model fails.
#
#   scripts/mutants.sh                 # all mutants; about a quarter of an hour on two cores
#   scripts/mutants.sh Inbox           # those whose name has `Inbox` in it
#   scripts/mutants.sh --list          # names them
#
# Which there are: every memory ordering weakened by one step, found in the source, and what
# scripts/mutants/table.toml says. The results go to docs/verification/mutants.md.
#
# MUTANTS_PREEMPTIONS (default 2) bounds the models further, for those that no model kills at once.
# Needs Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/mutants/mutants.py "$@"
