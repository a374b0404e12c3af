"""Tables of the results, as Markdown."""

from . import reach
from .results import (
    BASELINE,
    CHANNEL_PEERS,
    CHANNEL_ROWS,
    LIMIT,
    OURS,
    OVERVIEW,
    PEERS,
    geometric_mean,
    number,
)

UNITS = {
    "ns": "nanoseconds per operation",
    "bytes": "bytes",
    "allocations": "allocations per operation",
    "syscalls": "system calls per operation",
}


def of_platform(results):
    """Everything that was measured on one platform."""
    data = results.data
    lines = [
        f"# {results.platform}, {data['arch']}",
        "",
        f"{data['processors']} processors, {data['system']}. Made by"
        f" `scripts/benchmark_all_platforms.sh{' --quick' if data['effort'] == 'quick' else ''}`;"
        " what each cell does is told in [performance.md](../../performance.md).",
        "",
        "## What is to be reached",
        "",
        "Ratios of medians. Where a row is about several cells, *is* is their geometric mean;"
        " *on average* says that the mean keeps to the limit and the worst cell does not.",
        "",
        reach.table(reach.rows(results)),
        "",
    ]
    for unit, title in UNITS.items():
        names = results.names(unit=unit)
        channels = [name for name in names if name.startswith(CHANNEL_ROWS)]
        others = [name for name in names if name not in channels]
        if others:
            lines += [f"## Medians, {title}", "", *medians(results, others), ""]
        if channels:
            lines += [f"## Channels, {title}", "", *medians(results, channels), ""]
    details = [name for name in results.cells if len(results.cells[name]["metrics"]) > 1]
    if details:
        lines += ["## Further figures", ""]
    for name in details:
        lines += [*detail(results, name), ""]
    return "\n".join(lines)


def medians(results, names):
    columns = [
        column
        for column in results.columns
        if any(column in results.cells[name]["results"] for name in names)
    ]
    yield f"| | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for name in names:
        best = results.best(name, [column for column in columns if column != LIMIT])
        entries = []
        for column in columns:
            entry = number(results.median(name, column))
            if results.hangs(name, column):
                entry = "hangs"
            elif column == best:
                entry = f"**{entry}**"
            entries.append(entry)
        yield f"| {name} | {' | '.join(entries)} |"


def detail(results, name):
    metrics = results.cells[name]["metrics"]
    yield f"{name}:"
    yield ""
    yield f"| | {' | '.join(metrics)} |"
    yield f"|---|{'--:|' * len(metrics)}"
    for column in results.columns:
        if results.is_measured(name, column):
            values = [number(results.median(name, column, i)) for i in range(len(metrics))]
            yield f"| {column} | {' | '.join(values)} |"


def summary(results):
    """A few cells that stand for the others: what this crate takes in relation to each peer."""
    yield f"| time taken, in relation to | {' | '.join(PEERS)} |"
    yield f"|---|{'--:|' * len(PEERS)}"
    for cell, title in OVERVIEW:
        if not results.is_measured(cell, OURS):
            continue
        entries = []
        for peer in PEERS:
            ratio = results.ratio(cell, OURS, peer)
            entries.append("hangs" if results.hangs(cell, peer) else number(ratio))
        yield f"| {title} | {' | '.join(entries)} |"


def comparison(all_results):
    """What this crate takes in relation to the others, platform by platform."""
    platforms = [f"{results.platform} {results.data['arch']}" for results in all_results]
    lines = [
        "# Platforms compared",
        "",
        "The time of `compio-sync`, divided by that of whoever it is compared with in the same run:"
        " geometric means over the cells of a group. How long things take on one platform says"
        " nothing about another, on other hardware.",
        "",
        f"| group | against | {' | '.join(platforms)} |",
        f"|---|---|{'--:|' * len(platforms)}",
    ]
    groups = []
    for results in all_results:
        for name in results.names(unit="ns"):
            group = name.split("/")[0]
            if group not in groups:
                groups.append(group)
    for group in groups:
        for other in dict.fromkeys((*PEERS, *CHANNEL_PEERS, BASELINE, LIMIT)):
            ratios = [
                geometric_mean(
                    ratio
                    for name in results.names(f"{group}/", "ns")
                    if (ratio := results.ratio(name, OURS, other)) is not None
                )
                for results in all_results
            ]
            if any(ratio is not None for ratio in ratios):
                entries = " | ".join(number(ratio) for ratio in ratios)
                lines.append(f"| {group} | {other} | {entries} |")
    return "\n".join([*lines, ""])
