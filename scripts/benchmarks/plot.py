"""Plots of the results, as SVG that can be read on light and on dark pages."""

import math
from html import escape

from .results import ASYNC_LOCK, ASYNCBAND, BASELINE, FIFO, LIMIT, OURS, OVERVIEW, TOKIO

# Told apart by their shapes, too.
SERIES = {
    LIMIT: ("limit", "bar"),
    BASELINE: ("baseline", "cross"),
    "segqueue": ("segqueue", "plus"),
    TOKIO: ("tokio", "square"),
    ASYNC_LOCK: ("async-lock", "triangle"),
    ASYNCBAND: ("asyncband", "diamond"),
    FIFO: ("fifo", "ring"),
    "compio-sync generic": ("generic", "ring"),
    "compio-sync futex": ("futex", "ring"),
    OURS: ("ours", "circle"),
}

# On light and on dark pages.
COLOURS = {
    "ours": ("#0969da", "#58a6ff"),
    "fifo": ("#8250df", "#bc8cff"),
    "generic": ("#54aeff", "#a5d6ff"),
    "futex": ("#0a3069", "#1f6feb"),
    "tokio": ("#bc4c00", "#f0883e"),
    "async-lock": ("#1a7f37", "#3fb950"),
    "asyncband": ("#cf222e", "#ff7b72"),
    "baseline": ("#6e7781", "#9198a1"),
    "segqueue": ("#9a6700", "#d29922"),
    "limit": ("#1f2328", "#f0f6fc"),
}


def colours(page, border, text, faint, index):
    """The colours of a page, and of what is on it."""
    rules = [
        f".page {{ fill: {page}; stroke: {border}; }}",
        f"text {{ fill: {text}; }}",
        f".faint {{ fill: {faint}; }}",
        f".grid {{ stroke: {border}; }}",
    ]
    for name, pair in COLOURS.items():
        rules.append(f".{name} {{ stroke: {pair[index]}; }} .mark.{name} {{ fill: {pair[index]}; }}")
    return "\n".join(rules)


STYLE = f"""
text {{ font: 12px system-ui, sans-serif; }}
.title {{ font-size: 15px; font-weight: 600; }}
.faint {{ font-size: 11px; }}
.mark {{ stroke-width: 1.5; }}
.open, .line {{ fill: none; stroke-width: 2; }}
{colours("#ffffff", "#d0d7de", "#1f2328", "#59636e", 0)}
@media (prefers-color-scheme: dark) {{
{colours("#0d1117", "#3d444d", "#f0f6fc", "#9198a1", 1)}
}}
"""


def plots(results):
    """All plots, by the names of their files."""
    yield from overview(results)
    yield from contention(results)
    yield from fan_out(results)
    yield from waiters(results)


def overview(results):
    """A few cells that stand for the others, in relation to this crate."""
    rows = []
    for cell, title in OVERVIEW:
        ours = results.median(cell, OURS)
        if ours:
            points = {
                column: results.median(cell, column) / ours
                for column in (OURS, TOKIO, ASYNC_LOCK, ASYNCBAND)
                if results.median(cell, column)
            }
            rows.append((title, points))
    title = "Time taken, in relation to compio-sync (further left is faster)"
    if rows:
        yield "overview.svg", dots(title, rows, lambda x: f"{x:g} x")


def contention(results):
    columns = [OURS, FIFO, TOKIO, ASYNC_LOCK, ASYNCBAND, BASELINE]
    rows = []
    for cell in results.names("contend/"):
        points = {column: results.median(cell, column) for column in columns}
        name = cell.removeprefix("contend/").replace("/", ", ").replace("1 permits", "1 permit")
        rows.append((name, {column: value for column, value in points.items() if value}))
    title = "Contention: runtimes x tasks, permits, what is done inside; time per acquire and release"
    if rows:
        yield "contention.svg", dots(title, rows, duration)


def fan_out(results):
    columns = [OURS, FIFO, "compio-sync generic", "compio-sync futex", TOKIO, ASYNC_LOCK, ASYNCBAND]
    for target in ("asleep", "awake"):
        title = f"One call wakes many tasks of another runtime, {target}; time until the last one runs"
        chart = lines(results, f"fan-out/1 runtime, {target}/", columns, title, "tasks")
        if chart:
            yield f"fan-out-{target}.svg", chart


def waiters(results):
    columns = [OURS, TOKIO, ASYNC_LOCK, ASYNCBAND, BASELINE, "segqueue"]
    title = "Time for one wait, queued, granted and completed, by the number of waits"
    chart = lines(results, "waiters/", columns, title, "waits at a time")
    if chart:
        yield "waiters.svg", chart


def dots(title, rows, label):
    """A row for each of `rows`, a mark for each of its points, on one logarithmic axis."""
    left, width, top, step = 330, 470, 76, 20
    height = top + step * len(rows) + 34
    axis = Axis([value for _, points in rows for value in points.values()], left, left + width)
    columns = [name for name in SERIES if any(name in points for _, points in rows)]
    svg = Svg(left + width + 30, height, title)
    svg.legend(columns[::-1], 52)
    bottom = top + step * len(rows)
    for value in axis.ticks():
        x = axis(value)
        svg.add(f'<line class="grid" x1="{x:.1f}" y1="{top - 8}" x2="{x:.1f}" y2="{bottom}"/>')
        svg.text(x, bottom + 16, label(value), "faint", "middle")
    for index, (name, points) in enumerate(rows):
        y = top + step * index + step / 2 - 4
        svg.text(left - 12, y + 4, name, anchor="end")
        for column in columns:
            if column in points:
                svg.mark(column, axis(points[column]), y)
    return svg.finish()


def lines(results, prefix, columns, title, unit):
    """A line for each of `columns`, over the numbers that the cells' names end in."""
    series = {}
    for column in columns:
        points = [
            (int(cell.rsplit("/", 1)[1]), results.median(cell, column))
            for cell in results.names(prefix)
            if results.median(cell, column)
        ]
        if points:
            series[column] = points
    if not series:
        return None
    left, right, top, bottom = 70, 760, 84, 400
    x = Axis([x for points in series.values() for x, _ in points], left, right)
    y = Axis([y for points in series.values() for _, y in points], bottom, top)
    svg = Svg(right + 40, bottom + 56, title)
    svg.legend(list(series), 52)
    for value in x.ticks():
        at = x(value)
        svg.add(f'<line class="grid" x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{bottom}"/>')
        svg.text(at, bottom + 18, f"{value:,.0f}", "faint", "middle")
    svg.text((left + right) / 2, bottom + 40, unit, "faint", "middle")
    for value in y.ticks():
        at = y(value)
        svg.add(f'<line class="grid" x1="{left}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        svg.text(left - 8, at + 4, duration(value), "faint", "end")
    for column in SERIES:
        points = series.get(column, [])
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        name = SERIES[column][0]
        if len(points) > 1:
            svg.add(f'<polyline class="line {name}" points="{path}"/>')
        for a, b in points:
            svg.mark(column, x(a), y(b))
    return svg.finish()


def duration(nanoseconds):
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if nanoseconds >= size:
            return f"{nanoseconds / size:g} {unit}"
    return f"{nanoseconds:g} ns"


class Axis:
    """A logarithmic one, from `begin` to `end` on the page."""

    def __init__(self, values, begin, end):
        self.low = math.log10(min(values)) - 0.02
        self.high = max(math.log10(max(values)), self.low + 0.3) + 0.02
        self.begin, self.end = begin, end

    def __call__(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        """One for each power of ten, and some in between if that are few."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5)):
            ticks = [step * 10.0**power for power in powers for step in steps]
            ticks = [tick for tick in ticks if self.low <= math.log10(tick) <= self.high]
            if len(ticks) >= 4:
                break
        return ticks


class Svg:
    def __init__(self, width, height, title):
        self.width = width
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        ]
        self.text(20, 28, title, "title")

    def add(self, part):
        self.parts.append(part)

    def text(self, x, y, text, style="", anchor="start"):
        style = f' class="{style}"' if style else ""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}"{style} text-anchor="{anchor}">{escape(text)}</text>')

    def legend(self, columns, y):
        x = 28
        for column in columns:
            width = 36 + 6.6 * len(column)
            if x + width > self.width:
                x, y = 28, y + 18
            self.mark(column, x, y - 4)
            self.text(x + 10, y, column)
            x += width

    def mark(self, column, x, y):
        name, shape = SERIES[column]
        r = 5 if column == OURS else 4
        style = f'class="mark {name}"'
        hollow = f'class="open {name}"'
        shapes = {
            "circle": f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>',
            "ring": f'<circle {hollow} cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>',
            "square": f'<rect {style} x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>',
            "triangle": f'<path {style} d="M{x:.1f} {y - 5:.1f}l5 8h-10z"/>',
            "diamond": f'<path {style} d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>',
            "cross": f'<path {hollow} d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>',
            "plus": f'<path {hollow} d="M{x - 5:.1f} {y:.1f}h10m-5 -5v10"/>',
            "bar": f'<path {hollow} d="M{x:.1f} {y - 6:.1f}v12"/>',
        }
        self.add(shapes[shape])

    def finish(self):
        return "\n".join([*self.parts, "</svg>", ""])
