#!/usr/bin/env bash
# Measures everything on this platform, and makes tables, plots and a verdict of it.
#
#   scripts/benchmark_all_platforms.sh              # about 50 minutes
#   scripts/benchmark_all_platforms.sh --quick      # at most 10, with the build
#   scripts/benchmark_all_platforms.sh --quick --check base.json
#   scripts/benchmark_all_platforms.sh --quick --out /tmp/benchmarks
#
# Writes results/<platform>.{json,md} and plots into docs/benchmarks, or where --out says, and
# prints what is to be reached and whether it is. With --check, nothing is written there; it fails
# if anything has become slower than in the given results, beyond noise, and still is when it is
# measured once more.
#
# For figures to keep, see that the machine does nothing else. Run it on each platform: the
# platforms are compared if there are results of several.
set -euo pipefail
cd "$(dirname "$0")/.."

effort=() base="" out=docs/benchmarks
while [ $# -gt 0 ]; do
    case $1 in
        --quick) effort=(--quick) ;;
        --check) base=$2; shift ;;
        --out) out=$2; shift ;;
        *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
    shift
done
python=$(command -v python3 || command -v python)

step() { printf '\n==== %s (%ss)\n' "$*" "$SECONDS"; }

step "build"
program=$(cargo bench --bench ratios --no-run --message-format=json |
    "$python" -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "ratios":
        print(message["executable"])')

work=target/benchmarks
mkdir -p "$work"
new=$work/new.json

step "measure"
"$program" ${effort[@]+"${effort[@]}"} --json "$new"

if [ -n "$base" ]; then
    step "compare with $base"
    if ! "$python" scripts/compare_benchmarks.py --check "$base" "$new" --flagged "$work/flagged"; then
        step "measure those once more"
        again=()
        while IFS= read -r cell; do
            again+=(--cells "$cell")
        done < "$work/flagged"
        "$program" "${again[@]}" --json "$work/again.json"
        "$python" scripts/compare_benchmarks.py --check "$base" "$work/again.json"
    fi
    exit
fi

step "count system calls"
"$python" scripts/compare_benchmarks.py --syscalls "$program" "$new"

step "write $out"
platform=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["os"])' "$new")
mkdir -p "$out/results"
cp "$new" "$out/results/$platform.json"
"$python" scripts/compare_benchmarks.py --report "$new" --md "$out/results/$platform.md" --plots "$out"
if [ "$(find "$out/results" -name '*.json' | wc -l)" -gt 1 ]; then
    "$python" scripts/compare_benchmarks.py "$out"/results/*.json > "$out/comparison.md"
fi
find "$out" -type f -newer "$new" -print | sort

step "what is to be reached"
"$python" scripts/compare_benchmarks.py --reach "$new"
