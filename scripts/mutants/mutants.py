"""Breaks the protocols in one place at a time, and expects each time that a model fails.

All mutants are compiled into one test binary, in a copy of the tree: each place becomes
`if mutant(N) { broken } else { right }`, and an environment variable says which N it is. So a mutant
costs the models that it is tried on, and not a build. A model is a process of its own: it may abort,
or hang.
"""

import concurrent.futures
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
RESULTS = ROOT / "docs/verification/mutants.md"
SOURCES = Path("src")
# The files whose orderings are weakened: all that are compiled into the models and have any.
FILES = [
    *(f"queue/{name}" for name in ["state", "combiner", "operations", "wait", "waiter", "list", "inbox", "pool"]),
    *(f"wake/{name}" for name in ["node", "mailbox", "doorbell", "run", "batch", "registry"]),
    "generic", "linux", "mod",
    *(f"mpsc/{name}" for name in ["list", "list/single", "list/shared", "chan", "receiver"]),
    *(f"mpmc/{name}" for name in ["receiver", "force"]),
    "notify/notified", "gate", "latch", "barrier", "wait_group", "cancellation_token/node", "cancellation_token/waits",
    *(f"once/{name}" for name in ["value", "right", "wait", "init", "force", "set", "cell"]),
    "ends", "oneshot/owner", "snapshot", "watch/shared", "broadcast/ring",
]
ABOVE = (
    "notify/", "gate", "latch", "barrier", "wait_group", "cancellation_token/", "once/",
    "ends", "oneshot/", "mpsc/", "mpmc/", "snapshot", "watch/", "broadcast/",
)


def source(file):
    """Where a file of the list is."""
    return SOURCES / ("" if file.startswith(ABOVE) else "waiter_queue") / f"{file}.rs"


WEAKER = {"AcqRel": ["Acquire", "Release"], "Acquire": ["Relaxed"], "Release": ["Relaxed"]}
# Models that take long or are many: what they claim, quicker ones do, too.
SLOW = "::pairs::|_of_three_at_a_time|taken_at_once|notice_for_all_and_notice_for_one"
# Models of what an operation costs: a mutant that only costs more breaks nothing.
COSTS = "::steps::"
SKIP = os.environ.get("MUTANTS_SKIP", f"{SLOW}|{COSTS}")
PREEMPTIONS = int(os.environ.get("MUTANTS_PREEMPTIONS", 2))
# How many seconds a model may take; without a mutant none takes a tenth of that.
LIMIT = int(os.environ.get("MUTANTS_LIMIT", 300))
JOBS = int(os.environ.get("MUTANTS_JOBS", os.cpu_count() or 1))


@dataclass
class Mutant:
    name: str
    file: str
    start: int
    end: int
    new: str
    number: int = 0
    survives: str | None = None
    hangs: str | None = None
    killer: str | None = None
    hung: str | None = None
    seconds: float = 0.0
    why: str = ""


def functions(text):
    """The functions of a source, as (name, start, end), with the type that they belong to."""
    owner, found = "", []
    text = re.split(r"^#\[cfg\((?:all\()?test\b.*\]\nmod ", text, maxsplit=1, flags=re.M)[0]
    for line in re.finditer(r"^(.*)$", text, re.M):
        header = re.match(r"(?:unsafe )?impl\b(?:<[^{]*?>)?\s+(.*?)\s*\{?$", line[1].replace("->", ""))
        if header and not line[1].startswith(" "):
            owner = re.sub(r"^.*\bfor\s+", "", header[1])
            owner = re.sub(r"<.*", "", owner).strip()
        elif line[1].startswith("}"):
            if found and found[-1][2] is None:
                found[-1][2] = line.start()
            owner = ""
        name = re.match(r"(\s*)(?:pub(?:\([a-z: ]+\))? )?(?:unsafe )?(?:const )?fn (\w+)", line[1])
        if name:
            if found and found[-1][2] is None:
                found[-1][2] = line.start()
            found.append([f"{owner}::{name[2]}" if owner else name[2], line.start(), None])
    if found and found[-1][2] is None:
        found[-1][2] = len(text)
    return found


def orderings(file, text):
    """A mutant for each step by which an ordering can be weakened."""
    code = re.sub(r"//.*", lambda comment: " " * len(comment[0]), text)
    for name, start, end in functions(text):
        count = {}
        for token in re.finditer(r"\b(AcqRel|Acquire|Release)\b", code[start:end]):
            old = token[1]
            count[old] = count.get(old, 0) + 1
            for new in WEAKER[old]:
                which = f"{old} {count[old]}"
                yield Mutant(
                    f"{name}: {which} -> {new}",
                    file,
                    start + token.start(),
                    start + token.end(),
                    f"std::sync::atomic::Ordering::{new}",
                )


def edits(file, text, entries):
    """The mutants of the table."""
    bodies = functions(text)
    for entry in entries:
        where = entry["in"]
        fits = [(start, end) for name, start, end in bodies if name == where]
        if len(fits) != 1:
            sys.exit(f"{entry['name']}: {len(fits)} functions are called {where} in {file}.rs")
        start, end = fits[0]
        for part in filter(None, [entry.get("at", ""), entry["old"]]):
            # However it is broken into lines.
            found = list(re.compile(r"\s*".join(map(re.escape, re.findall(r"\w+|\S", part)))).finditer(text, start, end))
            if len(found) != 1:
                sys.exit(f"{entry['name']}: {where} has {len(found)} times {part!r}")
            start, end = found[0].span()
        yield Mutant(
            f"{where}: {entry['name']}",
            file,
            start,
            end,
            entry["new"].strip("\n"),
            survives=entry.get("survives"),
            hangs=entry.get("hangs"),
        )


def collect():
    table = tomllib.loads((HERE / "table.toml").read_text())
    mutants, texts = [], {}
    for file in FILES:
        texts[file] = (ROOT / source(file)).read_text()
        mutants += orderings(file, texts[file])
    for section, entries in table.items():
        if section == "survives":
            continue
        # What is in a file's folder is listed with the file.
        files = [file for file in FILES if file.split("/")[0] == section]
        for file in files:
            found = {name for name, _, _ in functions(texts[file])}
            mutants += edits(file, texts[file], [it for it in entries if it["in"] in found])
        known = {name for file in files for name, _, _ in functions(texts[file])}
        if lost := [it["in"] for it in entries if it["in"] not in known]:
            sys.exit(f"no function of {section} is called {lost[0]}")
    names = {}
    for number, mutant in enumerate(mutants, 1):
        mutant.number = number
        if mutant.name in names:
            sys.exit(f"two mutants are called {mutant.name!r}")
        names[mutant.name] = mutant
    for name, reason in table.get("survives", {}).items():
        if name not in names:
            sys.exit(f"no mutant is called {name!r}")
        names[name].survives = reason
    return mutants, texts


def weave(text, mutants):
    """`text` with all mutants in it, each asleep."""

    def render(start, end, inside):
        out, at = [], start
        while inside:
            # The outermost first; of two in one place, the one comes inside the other.
            outer = min(inside, key=lambda it: (it.start, -it.end))
            inside = [it for it in inside if it is not outer]
            nested = [it for it in inside if it.end <= outer.end]
            inside = [it for it in inside if it.end > outer.end]
            if any(it.start < outer.end for it in inside):
                sys.exit(f"a mutant overlaps {outer.name}")
            old = render(outer.start, outer.end, nested)
            choice = f"if crate::loom::mutant({outer.number}) {{ {outer.new} }} else {{ {old} }}"
            is_statement = text[outer.start : outer.end].rstrip().endswith((";", "}"))
            out += [text[at : outer.start], choice if is_statement else f"({choice})"]
            at = outer.end
        return "".join([*out, text[at:end]])

    return render(0, len(text), mutants)


SWITCH = """
/// Whether the mutant of that number is awake.
pub(crate) fn mutant(number: usize) -> bool {
    static AWAKE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *AWAKE.get_or_init(|| match std::env::var("COMPIO_SYNC_MUTANT") {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => 0,
    }) == number
}
"""


def copy_tree(scratch):
    """A copy of what git knows of."""
    tree = scratch / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")
    for name in filter(None, [*tracked, "Cargo.lock"]):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    return tree


def build(scratch, mutants, texts):
    tree = copy_tree(scratch)
    for file, text in texts.items():
        woven = weave(text, [it for it in mutants if it.file == file])
        (tree / source(file)).write_text(woven)
    with (tree / "src/loom.rs").open("a") as facade:
        facade.write(SWITCH)
    env = os.environ | {
        "RUSTFLAGS": os.environ.get("RUSTFLAGS", "") + " --cfg compio_sync_loom",
        "CARGO_TARGET_DIR": os.environ.get("MUTANTS_TARGET_DIR", str(scratch / "target")),
    }
    done = subprocess.run(
        ["cargo", "test", "--quiet", "--release", "--lib", "--no-run", "--message-format=json"],
        cwd=tree, env=env, stdout=subprocess.PIPE, text=True,
    )
    binary = re.findall(r'"executable":"([^"]+)"', done.stdout)
    if done.returncode or not binary:
        messages = re.findall(r'"rendered":"((?:[^"\\]|\\.)*)"', done.stdout)
        for message in messages:
            print(message.encode().decode("unicode_escape"), file=sys.stderr)
        sys.exit("the mutants do not build")
    return binary[-1]


def run(binary, models, preemptions, number=0):
    """Runs models until one fails. Returns the one that failed, and the one that took too long."""
    env = os.environ | {
        "COMPIO_SYNC_MUTANT": str(number),
        "LOOM_MAX_PREEMPTIONS": str(preemptions),
        "RUST_BACKTRACE": "0",
    }
    models = set(models)
    with subprocess.Popen(
        [binary, "--test-threads", "1", "--exact", *sorted(models)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:
        output, deadline = b"", time.monotonic() + LIMIT
        while True:
            ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
            more = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            output += more
            # Each line begins when its model does.
            lines = re.findall(r"^test (\S+) \.\.\.(?: (\w+))?", output.decode(), re.M)
            failed = [name for name, result in lines if result == "FAILED"]
            if failed or not more:
                process.kill()
                # Nothing more: it is through, or was aborted in a model, or hangs in one.
                last = [name for name, result in lines if not result]
                if failed:
                    return failed[0], None
                return (None, last[-1]) if not ready else (last[-1] if last else None, None)
            deadline = time.monotonic() + LIMIT


def known_killers():
    """The models that killed the mutants last time: they are tried first."""
    if not RESULTS.exists():
        return {}
    rows = re.findall(r"^\| `(.+?)` \| `(\S+)`", RESULTS.read_text(), re.M)
    return {name: f"waiter_queue::models::{model}" for name, model in rows}


def short(model):
    return model.removeprefix("waiter_queue::models::")


def main():
    mutants, texts = collect()
    filters = [it for it in sys.argv[1:] if not it.startswith("-")]
    if "--suite" in sys.argv:
        import suite

        return suite.main(filters)
    chosen = [it for it in mutants if all(word in it.name for word in filters)]
    if "--list" in sys.argv:
        print(*[it.name for it in chosen], sep="\n")
        return
    scratch = Path(os.environ.get("MUTANTS_DIR") or tempfile.mkdtemp(prefix="mutants-"))
    binary = build(scratch, mutants, texts)
    listed = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True).stdout
    models = re.findall(r"^(\S+::models::\S+): test$", listed, re.M)
    models = [it for it in models if not re.search(SKIP, it)]
    hints = known_killers()
    workers = concurrent.futures.ThreadPoolExecutor(JOBS)

    print(f"{len(chosen)} mutants, {len(models)} models, up to {PREEMPTIONS} preemptions", flush=True)
    failed, hung = run(binary, models, 1)
    if failed or hung:
        sys.exit(f"{failed or hung} fails without any mutant")

    def hunt(mutant):
        began = time.monotonic()
        # What needs few preemptions is found by those. A model that is known to kill it goes to its
        # own bound.
        tries = [(models, n) for n in range(1, PREEMPTIONS + 1)]
        if hints.get(mutant.name) in models:
            tries.insert(0, ([hints[mutant.name]], 9))
        for some, preemptions in tries:
            failed, hung = run(binary, some, preemptions, mutant.number)
            mutant.hung = mutant.hung or hung
            if failed:
                mutant.killer = failed
                break
        mutant.seconds = time.monotonic() - began
        return mutant

    unexpected = []
    hunts = [workers.submit(hunt, it) for it in chosen]
    for mutant in (it.result() for it in concurrent.futures.as_completed(hunts)):
        if mutant.killer:
            fate = f"killed by {short(mutant.killer)}"
        elif mutant.hung and mutant.hangs:
            fate = f"killed: hangs {short(mutant.hung)}: {mutant.hangs}"
        elif mutant.hung:
            fate = f"HANGS {short(mutant.hung)}, which nobody has said it should"
            unexpected.append(mutant)
        elif mutant.survives:
            fate = f"survives: {mutant.survives}"
        else:
            fate = "SURVIVED"
            unexpected.append(mutant)
        print(f"{mutant.name}: {fate} ({mutant.seconds:.0f} s)", flush=True)

    killed = [it for it in chosen if it.killer or (it.hung and it.hangs)]
    print(f"mutants: {len(killed)} of {len(chosen)} killed, {len(unexpected)} unexpected")
    if len(chosen) == len(mutants):
        report(mutants, killed, len(models))
    if scratch.name.startswith("mutants-") and "MUTANTS_DIR" not in os.environ:
        shutil.rmtree(scratch)
    sys.exit(bool(unexpected))


def report(mutants, killed, models):
    lines = [
        "# Mutants",
        "",
        "Written by `scripts/mutants.sh`. Each mutant breaks one thing in the protocols; each has to be",
        "killed by a model, or to be listed with the reason why it may live. The model that killed it",
        "before is tried first, to its own bound, and then all of them, up to the bound below.",
        "",
        f"**{len(killed)} of {len(mutants)} killed**, by {models} models of up to {PREEMPTIONS} preemptions.",
    ]
    alive = [it for it in mutants if it not in killed]
    if alive:
        lines += ["", "## Survivors", "", "| mutant | why it may live |", "|---|---|"]
        for it in alive:
            lines.append(f"| `{it.file}.rs` `{it.name}` | {it.survives or 'unexplained'} |")
    lines += ["", "## Killed", ""]
    for file in FILES:
        rows = [it for it in killed if it.file == file]
        if rows:
            lines += [f"### {file}.rs", "", "| mutant | killed by |", "|---|---|"]
            for it in rows:
                fate = f"`{short(it.killer)}`" if it.killer else f"hangs `{short(it.hung)}`: {it.hangs}"
                lines.append(f"| `{it.name}` | {fate} |")
            lines.append("")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    sys.modules["mutants"] = sys.modules["__main__"]
    main()
