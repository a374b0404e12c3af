"""Counts the system calls that an operation takes, and adds them to results."""

import os
import re
import shutil
import subprocess
import tempfile

from .results import ASYNC_LOCK, ASYNCBAND, TOKIO

CELLS = (
    "contend/1x64/1 permits/yield",
    "contend/2x8/1 permits/yield",
    "mixed/2x16/4 permits",
    "ping-pong/asleep, apart",
    "ping-pong/awake, apart",
    "fan-out/1 runtime, asleep/1",
    "fan-out/1 runtime, awake/1",
    "mpsc/bounded, 2 runtimes, 8 senders",
    "mpsc/ping-pong, asleep",
    "oneshot/requests, 2 runtimes, 8 clients",
)
FEW, MANY = 5, 25
# A runtime that is busy looks at its ring all the time.
RING = "syscalls:sys_enter_io_uring_enter"
# Longer than any of them takes that does not hang.
PATIENCE = 60


def add(results, program):
    """Adds a cell for each of `CELLS`; none if there is nothing to count with."""
    count = counter()
    if not count:
        return
    columns = [*results.ours, TOKIO, ASYNC_LOCK, ASYNCBAND]
    for cell in CELLS:
        counted = {}
        for column in columns:
            calls = per_operation(count, program, cell, column)
            if calls is not None:
                spread = [round(call, 3) for call in calls]
                counted[column] = {"median": spread, "low": spread, "high": spread, "runs": 1}
        if counted:
            name = f"syscalls/{cell}"
            metrics = ["all", "all but io_uring_enter"]
            entry = {"id": name, "unit": "syscalls", "metrics": metrics, "results": counted}
            results.cells[name] = entry
            results.data["cells"] = list(results.cells.values())


def per_operation(count, program, cell, column):
    """Two runs of different lengths, so that what is done once does not count."""
    few = count(program, cell, column, FEW)
    many = few and count(program, cell, column, MANY)
    if not many:
        return None
    (few, few_ring, few_operations), (many, many_ring, many_operations) = few, many
    operations = many_operations - few_operations
    calls, ring = many - few, many_ring - few_ring
    return calls / operations, (calls - ring) / operations


def counter():
    for name, count in (("perf", by_perf), ("strace", by_strace)):
        if shutil.which(name) and count(["true"]):
            return lambda *args, count=count: run(count, *args)
    return None


def run(count, program, cell, column, runs):
    # The tier is set as the benchmark sets it for the column's process.
    tier = column.rsplit(" ", 1)[-1]
    tier = tier if tier in ("generic", "futex", "iocp") else "auto"
    command = [program, "--serve", column, "--cell", cell, "--once", str(runs)]
    counted = count(command, {**os.environ, "COMPIO_SYNC_TIER": tier})
    if not counted or not counted[2].strip().isdigit():
        return None
    return counted[0], counted[1], int(counted[2])


def by_perf(command, env=None):
    """All calls, those of io_uring_enter, and what the command printed."""
    with tempfile.NamedTemporaryFile("r") as file:
        events = f"raw_syscalls:sys_enter,{RING}"
        output = called(["perf", "stat", "-e", events, "-x,", "-o", file.name, *command], env)
        found = re.findall(r"^(\d+),.*sys_enter", file.read(), re.M)
        if output is None or len(found) != 2:
            return None
        return int(found[0]), int(found[1]), output


def by_strace(command, env=None):
    """As above."""
    with tempfile.NamedTemporaryFile("r") as file:
        output = called(["strace", "-f", "-c", "-U", "calls,name", "-o", file.name, *command], env)
        calls = {name: int(count) for count, name in re.findall(r"^\s*(\d+) (\w+)$", file.read(), re.M)}
        if output is None or "total" not in calls:
            return None
        return calls["total"], calls.get("io_uring_enter", 0), output


def called(command, env):
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
