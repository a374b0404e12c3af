"""Lists what a crate exports, a line for each item, from rustdoc's JSON.

Sorted, with full paths and signatures, so that two listings can be compared by diff. Marker traits
that the compiler implements by itself are listed as well: losing `Send` breaks users too.
"""

import json
import sys

AUTO = {"Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"}


class Lines:
    """Lines with the paths of what they are about, each once, sorted by path."""

    def __init__(self):
        self.lines = {}

    def add(self, entry):
        path, line = entry
        self.lines[line] = path

    def __str__(self):
        # An item's own line, what is in it, what it implements.
        def key(entry):
            line, path = entry
            return path[:2], line.startswith("impl"), path, line

        return "\n".join(line for line, _ in sorted(self.lines.items(), key=key))


class Listing:
    def __init__(self, doc):
        self.index = doc["index"]
        self.root = self.index[str(doc["root"])]
        self.paths = doc["paths"]
        self.lines = Lines()

    def item(self, ident):
        return self.index.get(str(ident))

    # ---- types ----

    def args(self, args):
        if not args:
            return ""
        if "parenthesized" in args:
            call = args["parenthesized"]
            inputs = ", ".join(self.type(one) for one in call["inputs"])
            output = f" -> {self.type(call['output'])}" if call["output"] else ""
            return f"({inputs}){output}"
        if "angle_bracketed" not in args:
            return ""
        shown = []
        for arg in args["angle_bracketed"]["args"]:
            if "lifetime" in arg:
                shown.append(arg["lifetime"])
            elif "type" in arg:
                shown.append(self.type(arg["type"]))
            elif "const" in arg:
                shown.append(arg["const"]["expr"])
        for bound in args["angle_bracketed"]["constraints"]:
            what = bound["binding"]
            if "equality" in what:
                shown.append(f"{bound['name']} = {self.term(what['equality'])}")
            else:
                shown.append(f"{bound['name']}: {self.bounds(what['constraint'])}")
        return f"<{', '.join(shown)}>" if shown else ""

    def term(self, term):
        return self.type(term["type"]) if "type" in term else term["constant"]["expr"]

    def path(self, path):
        known = self.paths.get(str(path["id"]))
        # Paths of other crates as they are written; of this one, without the folders it has inside.
        name = path.get("path") or path.get("name")
        if known and known["crate_id"] == 0:
            name = known["path"][-1]
        return name + self.args(path.get("args"))

    def type(self, ty):
        if ty is None:
            return "()"
        (kind, it), = ty.items()
        if kind == "resolved_path":
            return self.path(it)
        if kind in ("generic", "primitive"):
            return it
        if kind == "borrowed_ref":
            lifetime = f"{it['lifetime']} " if it["lifetime"] else ""
            return f"&{lifetime}{'mut ' if it['is_mutable'] else ''}{self.type(it['type'])}"
        if kind == "raw_pointer":
            return f"*{'mut' if it['is_mutable'] else 'const'} {self.type(it['type'])}"
        if kind == "tuple":
            return f"({', '.join(self.type(one) for one in it)})"
        if kind == "slice":
            return f"[{self.type(it)}]"
        if kind == "array":
            return f"[{self.type(it['type'])}; {it['len']}]"
        if kind == "impl_trait":
            return f"impl {self.bounds(it)}"
        if kind == "dyn_trait":
            traits = " + ".join(self.path(one["trait"]) for one in it["traits"])
            return f"dyn {traits}" + (f" + {it['lifetime']}" if it["lifetime"] else "")
        if kind == "qualified_path":
            # Without a path where the source has none: `T::Item`.
            trait = it.get("trait")
            trait = trait if trait and (trait.get("path") or trait.get("name")) else None
            of = self.type(it["self_type"])
            return f"<{of} as {self.path(trait)}>::{it['name']}" if trait else f"{of}::{it['name']}"
        if kind == "function_pointer":
            return f"fn{self.call(it['sig'])}"
        return kind

    def bounds(self, bounds):
        shown = []
        for bound in bounds:
            if "trait_bound" in bound:
                it = bound["trait_bound"]
                mark = {"maybe": "?", "maybe_const": "~const "}.get(it["modifier"], "")
                shown.append(mark + self.path(it["trait"]))
            elif "outlives" in bound:
                shown.append(bound["outlives"])
            elif "use" in bound:
                names = ", ".join(next(iter(one.values())) for one in bound["use"])
                shown.append(f"use<{names}>")
        return " + ".join(shown)

    def generics(self, generics):
        shown = []
        for parameter in generics["params"]:
            (kind, it), = parameter["kind"].items()
            if kind == "lifetime":
                if not parameter["name"].startswith("'_") or parameter["name"] == "'_":
                    shown.append(parameter["name"])
            elif kind == "type" and not it["is_synthetic"]:
                bounds = self.bounds(it["bounds"])
                shown.append(parameter["name"] + (f": {bounds}" if bounds else ""))
            elif kind == "const":
                shown.append(f"const {parameter['name']}: {self.type(it['type'])}")
        where = []
        for clause in generics["where_predicates"]:
            (kind, it), = clause.items()
            if kind == "bound_predicate":
                where.append(f"{self.type(it['type'])}: {self.bounds(it['bounds'])}")
            elif kind == "lifetime_predicate":
                where.append(f"{it['lifetime']}: {' + '.join(it['outlives'])}")
            else:
                where.append(f"{self.type(it['lhs'])} == {self.term(it['rhs'])}")
        head = f"<{', '.join(shown)}>" if shown else ""
        return head, f" where {', '.join(where)}" if where else ""

    # ---- functions ----

    def call(self, sig):
        shown = []
        for name, ty in sig["inputs"]:
            written = self.type(ty)
            if name == "self":
                written = {"Self": "self", "&Self": "&self", "&mut Self": "&mut self"}.get(
                    written, f"self: {written}"
                )
                shown.append(written)
            else:
                shown.append(f"{name}: {written}" if name else written)
        output = f" -> {self.type(sig['output'])}" if sig["output"] else ""
        return f"({', '.join(shown)}){output}"

    def function(self, name, function):
        header = function["header"]
        words = [word for word in ("const", "async", "unsafe") if header[f"is_{word}"]]
        head, where = self.generics(function["generics"])
        return f"{' '.join(words + ['fn'])} {name}{head}{self.call(function['sig'])}{where}"

    # ---- items ----

    def add(self, path, line):
        """Adds a line about what is at `path`, which is where it is sorted in."""
        self.lines.add((path.split("::"), line))

    def module(self, module, path):
        for ident in module["inner"]["module"]["items"]:
            item = self.item(ident)
            if item is None:
                continue
            (kind, it), = item["inner"].items()
            if kind == "use":
                target = self.item(it["id"]) if it["id"] is not None else None
                if target is None:
                    self.add(path, f"pub use {path}::{it['name']} = {it['source']}")
                elif it["is_glob"]:
                    self.module(target, path)
                else:
                    self.exported(target, f"{path}::{it['name']}")
            elif item["visibility"] == "public":
                self.exported(item, f"{path}::{item['name']}")

    def exported(self, item, path):
        (kind, it), = item["inner"].items()
        mark = "#[non_exhaustive] " if "non_exhaustive" in json.dumps(item["attrs"]) else ""
        if kind == "module":
            self.add(path, f"pub mod {path}")
            self.module(item, path)
        elif kind in ("struct", "enum", "union"):
            head, where = self.generics(it["generics"])
            self.add(path, f"{mark}pub {kind} {path}{head}{where}")
            if kind == "enum":
                for ident in it["variants"]:
                    self.variant(self.item(ident), path)
            elif kind == "struct" and isinstance(it["kind"], dict) and "plain" in it["kind"]:
                self.fields(it["kind"]["plain"]["fields"], path)
            for ident in it["impls"]:
                self.implementation(self.item(ident), path)
        elif kind == "function":
            self.add(path, f"pub {self.function(path, it)}")
        elif kind == "trait":
            head, where = self.generics(it["generics"])
            bounds = self.bounds(it["bounds"])
            self.add(path, f"pub trait {path}{head}{': ' if bounds else ''}{bounds}{where}")
            self.members(it["items"], path)
        elif kind in ("constant", "static"):
            self.add(path, f"pub {kind} {path}: {self.type(it['type'])}")
        elif kind == "type_alias":
            head, where = self.generics(it["generics"])
            self.add(path, f"pub type {path}{head} = {self.type(it['type'])}{where}")
        else:
            self.add(path, f"pub {kind} {path}")

    def variant(self, item, path):
        it = item["inner"]["variant"]
        name = f"{path}::{item['name']}"
        self.add(name, f"pub variant {name}")
        if isinstance(it["kind"], dict) and "struct" in it["kind"]:
            self.fields(it["kind"]["struct"]["fields"], name)
        elif isinstance(it["kind"], dict) and "tuple" in it["kind"]:
            self.fields([one for one in it["kind"]["tuple"] if one is not None], name)

    def fields(self, idents, path):
        for ident in idents:
            field = self.item(ident)
            if field and field["visibility"] in ("public", "default"):
                name = f"{path}::{field['name']}"
                self.add(name, f"pub field {name}: {self.type(field['inner']['struct_field'])}")

    def implementation(self, item, path):
        if item is None:
            return
        it = item["inner"]["impl"]
        # What every type has says nothing about this one.
        if it["blanket_impl"] is not None:
            return
        trait = it["trait"]
        head, where = self.generics(it["generics"])
        if trait is None:
            self.members(it["items"], path, head, where)
            return
        name = self.path(trait)
        if it["is_synthetic"] and name.rsplit("::", 1)[-1] not in AUTO:
            return
        if "StructuralPartialEq" in name or name.rsplit("::", 1)[-1] == "Freeze":
            return
        sign = "!" if it["is_negative"] else ""
        # The type as it is written, with its path in front.
        folder = path.rsplit("::", 1)[0]
        self.add(path, f"impl{head} {sign}{name} for {folder}::{self.type(it['for'])}{where}")

    def members(self, idents, path, head="", where=""):
        of = f" [impl{head}{where}]" if head or where else ""
        for ident in idents:
            item = self.item(ident)
            if item is None or item["visibility"] not in ("public", "default"):
                continue
            (kind, it), = item["inner"].items()
            name = f"{path}::{item['name']}"
            if kind == "function":
                self.add(name, f"pub {self.function(name, it)}{of}")
            elif kind == "assoc_const":
                self.add(name, f"pub const {name}: {self.type(it['type'])}{of}")
            elif kind == "assoc_type":
                self.add(name, f"pub type {name}{of}")


def main():
    with open(sys.argv[1]) as file:
        doc = json.load(file)
    listing = Listing(doc)
    listing.module(listing.root, listing.root["name"])
    print(listing.lines)


if __name__ == "__main__":
    main()
