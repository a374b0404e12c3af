"""Breaks the primitives above the queue in one place at a time, and expects that a test fails.

As with the protocols' mutants, all are compiled into the tests at once, and an environment variable
wakes one of them. Here the whole test suite is the judge, cheapest programs first.
"""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import mutants as base

TABLE = base.HERE / "suite.toml"
RESULTS = base.ROOT / "docs/verification/mutants-suite.md"
# The cheapest first. What is not named here is of another platform, or proves something else.
PROGRAMS = [
    "lib", "semaphore_tests", "mutex_tests", "condvar_tests", "event_tests", "waiter_queue_tests", "cancellation_token_tests",
    "timeout_tests", "runtime_edges", "linux_specific", "peer_cases", "properties", "linearizability",
    "fairness_tests", "interleavings", "stress", "allocations", "runtimes_end",
]
# A test that hangs has failed: a program may take this many times its own time without a mutant, and
# at least so many seconds. (Several of them run at once here, so a tighter limit kills by itself.)
SLOWER, LEAST = 8, 60


def collect():
    table = tomllib.loads(TABLE.read_text())
    found, texts = [], {}
    for file, entries in table.items():
        texts[file] = (base.ROOT / "src" / f"{file}.rs").read_text()
        found += base.edits(file, texts[file], entries)
    for number, mutant in enumerate(found, 1):
        mutant.number = number
    return found, texts


def build(scratch, found, texts):
    tree = base.copy_tree(scratch)
    for file, text in texts.items():
        woven = base.weave(text, [it for it in found if it.file == file])
        (tree / "src" / f"{file}.rs").write_text(woven)
    with (tree / "src/loom.rs").open("a") as facade:
        facade.write(base.SWITCH)
    env = os.environ | {"CARGO_TARGET_DIR": str(scratch / "target-suite"), "RUSTFLAGS": "-Awarnings"}
    done = subprocess.run(
        ["cargo", "test", "--quiet", "--all-features", "--lib", "--tests", "--no-run", "--message-format=json"],
        cwd=tree, env=env, stdout=subprocess.PIPE, text=True,
    )
    programs = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-message" and done.returncode:
            print(message["message"]["rendered"], file=sys.stderr)
        if message.get("executable") and message["profile"]["test"]:
            name = "lib" if "lib" in message["target"]["kind"] else message["target"]["name"]
            programs[name] = message["executable"]
    if done.returncode:
        sys.exit("the mutants do not build")
    return tree, [(name, programs[name]) for name in PROGRAMS if name in programs]


def run(tree, name, program, number, limit=None):
    """The test that fails, or None."""
    env = os.environ | {"COMPIO_SYNC_MUTANT": str(number), "RUST_BACKTRACE": "0"}
    try:
        done = subprocess.run(
            [program], cwd=tree, env=env, timeout=limit,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
    except subprocess.TimeoutExpired:
        return f"{name} (hangs)"
    if done.returncode == 0:
        return None
    failed = re.search(r"^test (\S+) \.\.\. FAILED", done.stdout, re.M)
    return f"{name}::{failed[1]}" if failed else f"{name} (dies)"


def main(filters):
    found, texts = collect()
    chosen = [it for it in found if all(word in f"{it.file} {it.name}" for word in filters)]
    scratch = Path(os.environ.get("MUTANTS_DIR") or tempfile.mkdtemp(prefix="mutants-"))
    tree, programs = build(scratch, chosen, texts)
    limits = {}
    for name, program in programs:
        began = time.monotonic()
        if failed := run(tree, name, program, 0):
            sys.exit(f"{failed} fails without any mutant")
        limits[name] = max(LEAST, SLOWER * (time.monotonic() - began))
    print(f"{len(chosen)} mutants, {len(programs)} test programs", flush=True)

    def hunt(mutant):
        # The program that is called like the file first.
        stem = "fairness" if "/queue/" in mutant.file else mutant.file.split("/")[0]
        for name, program in sorted(programs, key=lambda it: stem not in it[0]):
            mutant.killer = run(tree, name, program, mutant.number, limits[name])
            if mutant.killer:
                break
        return mutant

    unexpected = []
    with concurrent.futures.ThreadPoolExecutor(base.JOBS) as workers:
        hunts = [workers.submit(hunt, it) for it in chosen]
        for mutant in (it.result() for it in concurrent.futures.as_completed(hunts)):
            if not mutant.killer and not mutant.survives:
                unexpected.append(mutant)
            fate = mutant.killer and f"killed by {mutant.killer}"
            print(f"{mutant.file} {mutant.name}: {fate or mutant.survives or 'SURVIVED'}", flush=True)
    killed = [it for it in chosen if it.killer]
    print(f"mutants: {len(killed)} of {len(chosen)} killed, {len(unexpected)} unexpected")
    if len(chosen) == len(found):
        report(found)
    if "MUTANTS_DIR" not in os.environ:
        shutil.rmtree(scratch)
    sys.exit(bool(unexpected))


def report(found):
    killed = sum(1 for it in found if it.killer)
    lines = [
        "# Mutants of the primitives",
        "",
        "Written by `scripts/mutants.sh --suite`. Each mutant breaks one thing above the queue; a test has to",
        "fail, or the reason is given why none can.",
        "",
        f"**{killed} of {len(found)} killed.**",
        "",
        "| file | mutant | killed by |",
        "|---|---|---|",
    ]
    for it in found:
        fate = f"`{it.killer}`" if it.killer else f"lives: {it.survives or 'unexplained'}"
        lines.append(f"| `{it.file}.rs` | `{it.name}` | {fate} |")
    RESULTS.write_text("\n".join(lines) + "\n")
