#!/usr/bin/env python3
"""Makes tables, plots and verdicts of what `cargo bench --bench ratios -- --json FILE` writes.

  compare_benchmarks.py A.json [B.json ...]     platforms compared, as Markdown
  compare_benchmarks.py --reach NEW.json        what is to be reached, and whether it is
  compare_benchmarks.py --summary NEW.json      a few rows that stand for the others
  compare_benchmarks.py --report NEW.json --md FILE --plots DIRECTORY
  compare_benchmarks.py --check BASE.json NEW.json [--flagged FILE]
                                                fails if anything has become slower beyond noise
  compare_benchmarks.py --syscalls PROGRAM NEW.json
                                                adds counts of system calls to the results
"""

import argparse
import pathlib
import sys

from benchmarks import plot, reach, regress, report, syscalls
from benchmarks.results import Results


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", metavar="RESULTS.json")
    parser.add_argument("--reach", action="store_true")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--md", type=pathlib.Path)
    parser.add_argument("--plots", type=pathlib.Path)
    parser.add_argument("--check", metavar="BASE.json")
    parser.add_argument("--flagged", type=pathlib.Path, help="where to write the cells in question")
    parser.add_argument("--syscalls", metavar="PROGRAM")
    options = parser.parse_args()
    results = [Results.load(path) for path in options.results]
    new = results[-1]

    if options.syscalls:
        syscalls.add(new, options.syscalls)
        pathlib.Path(options.results[-1]).write_text(new.to_json(), encoding="utf-8")
    elif options.check:
        return check(Results.load(options.check), new, options.flagged)
    elif options.reach:
        print(reach.table(reach.rows(new)))
    elif options.summary:
        print(*report.summary(new), sep="\n")
    elif options.report:
        if options.md:
            options.md.parent.mkdir(parents=True, exist_ok=True)
            options.md.write_text(report.of_platform(new), encoding="utf-8")
        if options.plots:
            options.plots.mkdir(parents=True, exist_ok=True)
            for name, svg in plot.plots(new):
                (options.plots / name).write_text(svg, encoding="utf-8")
    else:
        print(report.comparison(results))
    return 0


def check(base, new, flagged):
    found = list(regress.regressions(base, new))
    for regression in found:
        print(regression)
    if flagged:
        cells = dict.fromkeys(regression.cell for regression in found)
        flagged.write_text("".join(f"{cell}\n" for cell in cells), encoding="utf-8")
    if not found:
        print(f"nothing is slower, in {len(new.cells)} cells")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
