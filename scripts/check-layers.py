#!/usr/bin/env python3
"""Checks that the modules of src import each other without a circle, and downwards only.

    scripts/check-layers.py            # says nothing if all is well
    scripts/check-layers.py --list     # prints each module's imports

A module is a file. Its imports are the `use` declarations outside its tests, and whole paths. `mod` is
not an import; `pub use` of a child is. What may import what is the table below, as docs/architecture.md draws it.
"""

import re
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"

# Each part of the crate below the primitives, and what else it may import. All may import loom.rs.
LAYERS = {
    "waiter_queue/wake": {"waiter_queue/tier"},
    "waiter_queue/queue": {"waiter_queue/wake"},
    "waiter_queue/generic": {"waiter_queue/wake", "waiter_queue/tier"},
    "waiter_queue/linux": {"waiter_queue/wake", "waiter_queue/tier"},
    "waiter_queue/windows": {"waiter_queue/wake", "waiter_queue/tier", "waiter_queue/generic"},
    "waiter_queue/tier": set(),
    "waiter_queue/compio": {
        f"waiter_queue/{it}" for it in ["wake", "tier", "generic", "linux", "windows"]
    },
    "blocking": {"waiter_queue/compio"},
    "timeout": {"waiter_queue/compio", "blocking"},
    "fairness": {"waiter_queue"},
}
# Which files may import compio's crates: the tiers' operations have to implement its driver's traits.
COMPIO = {"waiter_queue/compio", "waiter_queue/linux", "waiter_queue/windows"}


def modules():
    found = {}
    for path in sorted(SRC.rglob("*.rs")):
        name = str(path.relative_to(SRC))[: -len(".rs")].removesuffix("/mod")
        if "/models" not in f"/{name}" and not name.startswith("guide") and name != "lib":
            found[name] = path.read_text()
    return found


def expand(tree, prefix=()):
    """The paths of a `use` declaration."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    if not brace:
        return [(*prefix, *tree.split(" as ")[0].strip().split("::"))]
    prefix = (*prefix, *filter(None, head.strip().split("::")))
    depth, part, paths = 0, "", []
    for char in rest[: rest.rindex("}")] + ",":
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if part.strip():
                paths += expand(part, prefix)
            part = ""
        else:
            part += char
    return paths


def owners_of(texts):
    """Which module defines a public type."""
    defined = re.compile(r"^pub (?:struct|enum|trait|const|static|type) (\w+)", re.M)
    return {it: name for name, text in texts.items() for it in defined.findall(text)}


def imports(name, text, known, owners):
    text = re.split(r"^#\[cfg\((?:all\()?test\b.*\]\s*\nmod ", text, maxsplit=1, flags=re.M)[0]
    text = re.sub(r"//.*", "", text)
    children = set(re.findall(r"^(?:pub(?:\([^)]*\))? )?mod (\w+);", text, re.M))
    uses = re.compile(r"((?:^#\[.*\]\n)*)^(?:pub(?:\([^)]*\))? )?use ([^;]+);", re.M)
    declarations = [it for tested, it in uses.findall(text) if "cfg(all(test" not in tested]
    # Whole paths in the code count, too.
    declarations += re.findall(r"(?:\bcrate|\bcompio_(?!sync\b)\w+)(?:::\w+)+", uses.sub("", text))
    for declaration in declarations:
        for path in expand(declaration):
            at = name.split("/")
            if path[0] == "crate":
                at, path = [], path[1:]
            elif path[0] in ("super", "self"):
                while path and path[0] in ("super", "self"):
                    at, path = (at[:-1] if path[0] == "super" else at), path[1:]
            elif path[0] in children:
                pass
            else:
                yield ("extern", path[0])
                continue
            while path and "/".join([*at, path[0]]) in known:
                at, path = [*at, path[0]], path[1:]
            # What lib.rs exports belongs to the module that defines it.
            yield ("module", "/".join(at) if at or not path else owners.get(path[0], f"crate::{path[0]}"))


def part_of(name):
    fits = [it for it in LAYERS if name == it or name.startswith(f"{it}/")]
    return max(fits, key=len) if fits else None


def main():
    texts = modules()
    owners = owners_of(texts)
    edges, faults = {}, []
    for name, text in texts.items():
        edges[name] = set()
        for kind, target in imports(name, text, texts, owners):
            if kind == "extern":
                if target.startswith("compio") and name not in COMPIO:
                    faults.append(f"{name} imports {target}; only {', '.join(sorted(COMPIO))} may")
            elif target.startswith("crate::"):
                faults.append(f"{name} imports {target}, which no module is known to define")
            elif target not in (name, "", "loom"):
                edges[name].add(target)
        own = part_of(name)
        for target in sorted(edges[name]) if own else []:
            if part_of(target) != own and (part_of(target) or target) not in LAYERS[own]:
                faults.append(f"{name} imports {target}, which is not below it")
    if "--list" in sys.argv:
        for name, targets in edges.items():
            print(f"{name}: {' '.join(sorted(targets))}")
    done, path = set(), []

    def visit(name):
        if name in path:
            faults.append("a circle: " + " -> ".join([*path[path.index(name):], name]))
        elif name not in done:
            path.append(name)
            for target in sorted(edges.get(name, ())):
                visit(target)
            path.pop()
            done.add(name)

    for name in edges:
        visit(name)
    print(*faults, sep="\n", end="\n" if faults else "")
    sys.exit(bool(faults))


main()
