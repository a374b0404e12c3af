"""Results, as the benchmark writes them."""

import json
import math

OURS = "compio-sync"
FIFO = "compio-sync fifo"
TOKIO = "tokio"
ASYNC_LOCK = "async-lock"
ASYNCBAND = "asyncband"
BASELINE = "mutex + deque"
LIMIT = "limit"
PEERS = (TOKIO, ASYNC_LOCK, ASYNCBAND)
# async-lock promises nobody a turn.
FAIR_PEERS = (TOKIO, ASYNCBAND)


class Results:
    def __init__(self, data):
        if data.get("format") != 1:
            raise ValueError("not the results of this benchmark")
        self.data = data
        self.columns = data["columns"]
        self.ours = data["ours"]
        self.cells = {cell["id"]: cell for cell in data["cells"]}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))

    @property
    def platform(self):
        return self.data["os"]

    def names(self, prefix="", unit=None):
        """The names of the cells that begin with `prefix`."""
        return [
            name
            for name, cell in self.cells.items()
            if name.startswith(prefix) and unit in (None, cell["unit"])
        ]

    def is_measured(self, cell, column):
        return bool(self.cells.get(cell, {}).get("results", {}).get(column))

    def hangs(self, cell, column):
        results = self.cells.get(cell, {}).get("results", {})
        return column in results and results[column] is None

    def spread(self, cell, column, metric=0):
        """Lower quartile, median and upper quartile, or nothing."""
        if not self.is_measured(cell, column):
            return None
        result = self.cells[cell]["results"][column]
        return tuple(result[key][metric] for key in ("low", "median", "high"))

    def median(self, cell, column, metric=0):
        spread = self.spread(cell, column, metric)
        return spread and spread[1]

    def ratio(self, cell, column, other):
        """How much of the other's time the column takes; nothing if either has none."""
        ours, theirs = self.median(cell, column), self.median(cell, other)
        if ours is None or not theirs:
            return None
        return ours / theirs

    def best(self, cell, columns):
        """The fastest of the columns that were measured."""
        medians = [(self.median(cell, column), column) for column in columns]
        medians = [pair for pair in medians if pair[0] is not None]
        return min(medians)[1] if medians else None


def geometric_mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def number(value):
    """Three digits, in the usual notation."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 3)}f}"
