"""What the crate is to reach, and whether it does."""

from dataclasses import dataclass

from .results import (
    ASYNC_LOCK,
    ASYNCBAND,
    BASELINE,
    CHANNEL_PEERS,
    CHANNEL_ROWS,
    FAIR_PEERS,
    FIFO,
    LIMIT,
    LOCAL_SYNC,
    OURS,
    PEERS,
    REUSABLE,
    TOKIO,
    geometric_mean,
    number,
)

HAND_OVERS = ("contend/1x64/1 permits/yield", "contend/1x64/10 permits/yield")
CROSSINGS = tuple(
    f"contend/2x{tasks}/{permits} permits/yield" for tasks in (8, 64) for permits in (1, 10)
)


@dataclass
class Row:
    scenario: str
    against: str
    at_most: float
    # Of all cells that the row is about; the geometric mean if there are several.
    value: float | None
    worst: float | None = None
    worst_cell: str = ""
    # Whether each of the cells has to keep to the limit.
    each: bool = True

    @property
    def verdict(self):
        if self.value is None:
            return "not measured"
        decisive = self.worst if self.each and self.worst is not None else self.value
        if decisive <= self.at_most:
            return "pass"
        return "on average" if self.value <= self.at_most else "FAIL"


def against(results, scenario, cells, others, at_most, column=OURS, name=None, each=True):
    """A row about the ratios to the best of `others` in `cells`."""
    others = (others,) if isinstance(others, str) else others
    ratios = []
    for cell in cells:
        best = results.best(cell, others)
        ratio = best and results.ratio(cell, column, best)
        if ratio is not None:
            ratios.append((ratio, cell))
    row = Row(scenario, name or others[0], at_most, geometric_mean(r for r, _ in ratios), each=each)
    if len(ratios) > 1:
        row.worst, row.worst_cell = max(ratios)
    return row


def rows(results):
    """All rows of the table."""
    contention = results.names("contend/")
    other = [cell for cell in contention if cell not in HAND_OVERS + CROSSINGS]
    fifo = FIFO if FIFO in results.columns else OURS

    def row(*args, **options):
        return against(results, *args, **options)

    title, cells = "uncontended acquire + release", ["uncontended/acquire"]
    yield row(title, cells, LIMIT, 1.1, name="two bare RMWs")
    yield row(title, cells, TOKIO, 0.4)
    yield row(title, cells, ASYNC_LOCK, 0.4)
    yield row(title, cells, ASYNCBAND, 0.9)

    title = "local hand-over, 64 tasks, 1 and 10 permits, one yield"
    yield row(title, HAND_OVERS, TOKIO, 0.6)
    yield row(title, HAND_OVERS, ASYNC_LOCK, 0.95)
    yield row(title, HAND_OVERS, ASYNCBAND, 0.65)

    title = "2 runtimes x 8 and 64 tasks, 1 and 10 permits, one yield"
    yield row(title, CROSSINGS, TOKIO, 0.15)
    yield row(title, CROSSINGS, ASYNC_LOCK, 0.9, name="async-lock (no hard bound)")
    yield row(title, CROSSINGS, ASYNCBAND, 0.2)

    yield row("every other contention cell", other, PEERS, 1.1, name="best peer")
    yield row(
        "all contention cells", contention, FAIR_PEERS, 0.7, name="best fair peer", each=False
    )
    title = "first come first served, all contention cells"
    yield row(title, contention, TOKIO, 0.8, column=fifo, each=False)
    yield row(title, contention, ASYNCBAND, 0.85, column=fifo, each=False)

    for target in ("1 runtime, asleep", "1 runtime, awake", "1 runtime, fresh", "4 runtimes, asleep"):
        for few, at_most in ((True, 0.8), (False, 0.9)):
            cells = [
                cell
                for cell in results.names(f"fan-out/{target}/")
                if (int(cell.rsplit("/", 1)[1]) <= 64) == few
            ]
            size = "1-64" if few else "256-4,096"
            yield row(f"fan-out of {size} to {target}", cells, PEERS, at_most, name="best peer")

    few, many = (results.median(f"waiters/{n}", OURS) for n in (100, 100_000))
    yield Row(
        "cost per waiter, of 100,000", "of 100", 1.5, many / few if few and many else None
    )

    for placement in ("apart", "together", "free"):
        title, cells = f"sleeping ping-pong, {placement}", [f"ping-pong/asleep, {placement}"]
        yield row(title, cells, TOKIO, 0.9)
        yield row(title, cells, LIMIT, 1.2, name="raw futex")

    yield row("uncontended acquire + release", ["uncontended/acquire"], BASELINE, 0.8)
    yield row("all contention cells", contention, BASELINE, 0.6, each=False)

    yield from channels(results)

    for cell in results.names("allocations/"):
        yield Row(cell, "none", 0, results.median(cell, OURS))
    yield Row("growth/1000000 cancels", "none", 0, results.median("growth/1000000 cancels", OURS))


def channels(results):
    """The rows about channels."""
    local = []
    for bound in ("bounded", "unbounded"):
        for at in ("1 runtime", "2 runtimes"):
            cells = results.names(f"mpsc/{bound}, {at}, ")
            local += cells if at == "1 runtime" else []
            title = f"mpsc, {bound}, {at}"
            yield against(results, title, cells, CHANNEL_PEERS, 1.0, name="best peer")
    cells = results.names("mpmc/bounded, 2 runtimes, ")
    yield against(
        results, "mpmc, bounded, 2 runtimes", cells, CHANNEL_PEERS, 1.0, name="best peer"
    )
    for besides in ("asleep", "awake"):
        title, cells = f"mpsc, ping-pong, {besides}", [f"mpsc/ping-pong, {besides}"]
        yield against(results, title, cells, CHANNEL_PEERS, 1.0, name="best peer")

    title, cells = "oneshot that nobody waits for", ["oneshot/no wait"]
    local += cells
    for column, suffix in ((OURS, ""), (REUSABLE, ", reusable")):
        yield against(
            results, title + suffix, cells, CHANNEL_PEERS, 1.0, column=column, name="best peer"
        )
    for at in ("1 runtime", "2 runtimes"):
        cells = results.names(f"oneshot/requests, {at}, ")
        local += cells if at == "1 runtime" else []
        for column, suffix in ((OURS, ""), (REUSABLE, ", reusable")):
            title = f"a oneshot for each request, {at}{suffix}"
            yield against(
                results, title, cells, CHANNEL_PEERS, 1.0, column=column, name="best peer"
            )
    yield against(results, "channels, 1 runtime", local, LOCAL_SYNC, 1.0)

    cells = [cell for prefix in CHANNEL_ROWS for cell in results.names(prefix)]
    hang = [cell for cell in cells for column in results.ours if results.hangs(cell, column)]
    yield Row("channels: rows that hang", "none", 0, float(len(hang)) if cells else None)


def table(rows):
    """The rows, as Markdown."""
    lines = [
        "| scenario | against | at most | is | worst cell | |",
        "|---|---|--:|--:|---|---|",
    ]
    for row in rows:
        worst = "" if row.worst is None else f"{number(row.worst)} ({row.worst_cell})"
        lines.append(
            f"| {row.scenario} | {row.against} | {row.at_most:g} | {number(row.value)} "
            f"| {worst} | {row.verdict} |"
        )
    return "\n".join(lines)
