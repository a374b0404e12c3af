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
    "contend/2x64/10 permits/yield",
    "mixed/2x16/4 permits",
    "ping-pong/asleep, apart",
    "ping-pong/awake, apart",
    "fan-out/1 runtime, asleep/1",
    "fan-out/1 runtime, awake/1",
    "fan-out/1 runtime, asleep/64",
    "fan-out/1 runtime, awake/64",
)
FEW, MANY = 10, 60
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
                spread = [round(calls, 3)]
                counted[column] = {"median": spread, "low": spread, "high": spread, "runs": 1}
        if counted:
            name = f"syscalls/{cell}"
            entry = {"id": name, "unit": "syscalls", "metrics": ["calls"], "results": counted}
            results.cells[name] = entry
            results.data["cells"] = list(results.cells.values())


def per_operation(count, program, cell, column):
    """Two runs of different lengths, so that what is done once does not count."""
    few = count(program, cell, column, FEW)
    many = few and count(program, cell, column, MANY)
    if not many:
        return None
    return (many[0] - few[0]) / (many[1] - few[1])


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
    if not counted:
        return None
    calls, output = counted
    return (calls, int(output)) if output.strip().isdigit() else None


def by_perf(command, env=None):
    with tempfile.NamedTemporaryFile("r") as file:
        perf = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "-x,", "-o", file.name, "--"]
        output = called(perf + command, env)
        found = re.search(r"^(\d+),.*raw_syscalls", file.read(), re.M)
        return (int(found[1]), output) if found and output is not None else None


def by_strace(command, env=None):
    with tempfile.NamedTemporaryFile("r") as file:
        output = called(["strace", "-f", "-c", "-o", file.name, *command], env)
        found = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)(?:\s+\d+)?\s+total$", file.read(), re.M)
        return (int(found[1]), output) if found and output is not None else None


def called(command, env):
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
