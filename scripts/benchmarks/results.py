"""Results, as the benchmark writes them."""

import json
import math

OURS = "compio-sync"
FIFO = "compio-sync fifo"
TOKIO = "tokio"
ASYNC_LOCK = "async-lock"
ASYNCBAND = "asyncband"
BASELINE = "mutex + deque"
REUSABLE = "compio-sync reusable"
LOCAL_SYNC = "local-sync"
LIMIT = "limit"
PEERS = (TOKIO, ASYNC_LOCK, ASYNCBAND)
# async-lock promises nobody a turn.
FAIR_PEERS = (TOKIO, ASYNCBAND)
# Rows about channels have peers of their own: these, and local-sync within one runtime.
CHANNEL_ROWS = ("mpsc/", "mpmc/", "oneshot/", "allocations/mpsc/")
CHANNEL_PEERS = (
    TOKIO,
    ASYNCBAND,
    "async-channel",
    "flume",
    "kanal",
    "crossfire",
    "loole",
    "tachyonix",
    "futures-channel",
    "oneshot",
)

# A few that stand for the others, those included in which others are faster.
OVERVIEW = [
    ("uncontended/acquire", "acquire and release, uncontended"),
    ("contend/1x64/1 permits/yield", "64 tasks of one runtime, 1 permit"),
    ("contend/1x64/10 permits/yield", "64 tasks of one runtime, 10 permits"),
    ("contend/2x1/1 permits/yield", "2 runtimes x 1 task, 1 permit"),
    ("contend/2x8/1 permits/yield", "2 runtimes x 8 tasks, 1 permit"),
    ("contend/2x64/10 permits/yield", "2 runtimes x 64 tasks, 10 permits"),
    ("mixed/2x16/4 permits", "2 runtimes x 16 tasks, 4 permits, mostly file reads"),
    ("latency/1x64/1 permits", "99th percentile of acquiring, 64 tasks, 1 permit"),
    ("condvar/all, 1 runtimes/256", "waking 256 tasks of one runtime by a condvar"),
    ("fan-out/1 runtime, awake/16", "waking 16 tasks of another runtime, awake"),
    ("fan-out/1 runtime, asleep/16", "waking 16 tasks of another runtime, asleep"),
    ("fan-out/1 runtime, asleep/1024", "waking 1,024 tasks of another runtime, asleep"),
    ("ping-pong/awake, apart", "2 runtimes, awake, that wake each other by turns"),
    ("cancel/1 runtimes/0 others", "cancelling waits, 1 runtime"),
    ("cancel/2 runtimes/64 others", "cancelling waits, 2 runtimes"),
]


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

    def to_json(self):
        """A line for each cell, so that a change shows as such."""
        head = {key: value for key, value in self.data.items() if key != "cells"}
        head = "".join(f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
        cells = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in self.data["cells"])
        return f'{{\n{head}"cells": [\n{cells}\n]\n}}\n'

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
