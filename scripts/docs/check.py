"""Checks what the project's Markdown says about the project, without a network.

- Links and images lead to files that are there, and their anchors to headings that are there.
- Shell blocks, and commands in running text, name programs, scripts, options, examples, benchmarks,
  tests and features that there are.
- Names of files, of tests and of environment variables in running text are those of real ones.
- Rust blocks are written into a crate whose documentation tests they are (--crate DIR).
- Drawings are well-formed.

Prints a line for each mistake, and counts. Needs Python 3.11.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tomllib
import xml.etree.ElementTree
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]

# Figures are measured, not written: until somebody has, what links to them leads nowhere.
MEASURED = "docs/benchmarks"

# Pages that name what other crates have.
FOREIGN_PAGES = ("docs/MIGRATION.md",)

# Programs that a command may begin with, beside those of the project.
PROGRAMS = {"cargo", "git", "python3", "rustup", "cd", "export", "rsvg-convert"}
SUBCOMMANDS = {
    "add", "bench", "build", "check", "clippy", "deny", "doc", "fmt", "hack", "new", "package",
    "public-api", "publish", "run", "semver-checks", "test", "update",
}

FENCE = re.compile(r"^( *)(```+|~~~+) *([^`\n]*)\n(.*?)^\1\2 *$", re.M | re.S)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[([^\]]+)\]:\s*(\S+)", re.M)
ATTRIBUTE = re.compile(r"<[^>]+?\b(?:href|src|srcset)=\"([^\"]+)\"")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$", re.M)
TEST_NAME = re.compile(r"^(?:[a-z_]+::)*([a-z][a-z0-9]*(?:_[a-z0-9]+){2,})$")
VARIABLE = re.compile(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=\S*)?$")
# What other projects' names look like that ours are written like.
FOREIGN_VARIABLES = re.compile(r"^(FUTEX|IORING|IOSQE|SQE|CQE|MSG|RLIMIT|SYS|RUST|CARGO|XDG|ASYNC|NT|EAGAIN)")


class Project:
    def __init__(self, root):
        self.root = root
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=root, check=True, capture_output=True, text=True,
        ).stdout.split()
        self.files = {name for name in listed if (root / name).is_file()}
        self.folders = {str(parent) for name in self.files for parent in Path(name).parents}
        self.manifest = tomllib.loads((root / "Cargo.toml").read_text())
        self.sources = "".join(
            (root / name).read_text(errors="replace")
            for name in sorted(self.files)
            if name.endswith((".rs", ".sh", ".py", ".yml")) or name == ".ci/run"
        )
        self.functions = set(re.findall(r"\bfn\s+(\w+)", self.sources))
        self.words = set(re.findall(r"\w+", self.sources))

    def has(self, name):
        name = name.rstrip("/")
        return name in self.files or name in self.folders

    def targets(self, kind):
        """The names that `cargo --KIND` takes."""
        folder = {"example": "examples", "bench": "benches", "test": "tests"}[kind]
        names = {target["name"] for target in self.manifest.get(kind, [])}
        for name in self.files:
            parts = Path(name).parts
            if parts[0] == folder and name.endswith(".rs"):
                if len(parts) == 2:
                    names.add(Path(name).stem)
                elif len(parts) == 3 and parts[2] == "main.rs":
                    names.add(parts[1])
        return names

    def features(self):
        return set(self.manifest["features"]) | {"default"}


def slug(heading, seen):
    """The anchor that hosting sites give a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*]|<[^>]+>", "", text).strip().lower()
    text = "".join(c for c in text if c.isalnum() or c in " -_").replace(" ", "-")
    count = seen.get(text, 0)
    seen[text] = count + 1
    return text if count == 0 else f"{text}-{count}"


def without_fences(text):
    return FENCE.sub(lambda m: "\n" * m.group(0).count("\n"), text)


def anchors(text):
    seen = {}
    found = {slug(match.group(2), seen) for match in HEADING.finditer(without_fences(text))}
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


class Checker:
    def __init__(self, project):
        self.project = project
        self.mistakes = []
        self.notes = []
        self.counts = dict.fromkeys(
            ["files", "links", "commands", "names", "Rust blocks", "drawings"], 0
        )

    def wrong(self, where, what):
        self.mistakes.append(f"{where}: {what}")

    # ---- links ----

    def link(self, where, page, target):
        self.counts["links"] += 1
        if re.match(r"^(https?|mailto):", target):
            if target.startswith("http:"):
                self.wrong(where, f"not https: {target}")
            return
        path, _, anchor = target.partition("#")
        path = unquote(path)
        if path:
            parts = []
            for part in (Path(page).parent / path).parts:
                if part != "..":
                    parts.append(part)
                elif parts:
                    parts.pop()
                else:
                    return self.wrong(where, f"leads out of the project: {target}")
            file = "/".join(parts) or "."
        else:
            file = page
        if not self.project.has(file):
            if file.startswith(MEASURED) and not self.project.has(MEASURED):
                return self.notes.append(f"{where}: not measured yet: {target}")
            return self.wrong(where, f"leads nowhere: {target}")
        if anchor and file.endswith(".md"):
            if anchor not in anchors((self.project.root / file).read_text()):
                self.wrong(where, f"no such heading: {target}")

    # ---- commands ----

    def command(self, where, line):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            return self.wrong(where, f"{error}: {line}")
        while words and re.match(r"^[A-Z_]+=", words[0]):
            words.pop(0)
        for stop in ("|", "&&", ";", ">", ">>"):
            if stop in words:
                rest = words[words.index(stop) + 1:]
                words = words[: words.index(stop)]
                if stop in ("&&", ";"):
                    self.command(where, shlex.join(rest))
        if not words:
            return
        self.counts["commands"] += 1
        program = words[0]
        if program == "cargo":
            return self.cargo(where, line, words[1:])
        if program in self.project.files:
            return self.script(where, program, words[1:])
        if program == "python3" and len(words) > 1 and not words[1].startswith("-"):
            if words[1] not in self.project.files:
                return self.wrong(where, f"no such script: {line}")
            return self.script(where, words[1], words[2:])
        if program not in PROGRAMS:
            self.wrong(where, f"no such program: {line}")

    def script(self, where, script, words):
        file = self.project.root / script
        if not file.stat().st_mode & 0o100 and not script.endswith(".py"):
            self.wrong(where, f"cannot be executed: {script}")
        text = file.read_text()
        # A script that only starts another one has that one's options.
        for other in re.findall(r"scripts/[\w/.-]+\.py", text):
            if other in self.project.files:
                text += (self.project.root / other).read_text()
        for folder in re.findall(r"from (\w+) import|import (\w+)", text):
            for name in self.project.files:
                if any(part and f"/{part}/" in name for part in folder):
                    text += (self.project.root / name).read_text(errors="replace")
        for word in words:
            if word.startswith("--") and word.partition("=")[0] not in text:
                self.wrong(where, f"{script} has no option {word}")

    def cargo(self, where, line, words):
        if words and words[0].startswith("+"):
            words = words[1:]
        if not words or words[0].startswith("-"):
            return
        if words[0] not in SUBCOMMANDS:
            self.wrong(where, f"not a command that the project uses: {line}")
        if words[0] in ("add", "new"):
            return
        own = words[: words.index("--")] if "--" in words else words
        for option, value in zip(own, own[1:]):
            kind = option.removeprefix("--")
            if option in ("--example", "--bench", "--test"):
                if value not in self.project.targets(kind):
                    self.wrong(where, f"no {kind} {value}: {line}")
            elif option == "--features":
                for feature in re.split(r"[ ,]", value):
                    if "/" not in feature and feature not in self.project.features():
                        self.wrong(where, f"no feature {feature}: {line}")

    # ---- names ----

    def code(self, where, code):
        code = code.strip()
        if self.project.has(code) and not code.endswith((".sh", ".py")) and "/" in code and code != ".ci/run":
            self.counts["names"] += 1
            return
        if re.match(r"^([A-Z_]+=\S+ )*(cargo |scripts/|\.ci/run|python3 scripts/)", code):
            return self.command(where, code)
        if re.match(r"^\.?[\w-]+(/[\w.-]+)+/?$", code):
            first = code.split("/")[0]
            if self.project.has(first) and first != ".":
                self.counts["names"] += 1
                if not self.project.has(code):
                    if not (code.startswith(MEASURED) and not self.project.has(MEASURED)):
                        self.wrong(where, f"no such file: {code}")
            return
        if (match := TEST_NAME.match(code)) and not where.startswith(FOREIGN_PAGES):
            self.counts["names"] += 1
            if match.group(1) not in self.project.words:
                self.wrong(where, f"named nowhere in the sources: {code}")
        elif match := VARIABLE.match(code):
            self.counts["names"] += 1
            name = match.group(1)
            if not FOREIGN_VARIABLES.match(name) and name not in self.project.words:
                self.wrong(where, f"named nowhere in the sources: {code}")

    # ---- pages ----

    def page(self, page):
        self.counts["files"] += 1
        text = (self.project.root / page).read_text()
        rust = []
        for fence in FENCE.finditer(text):
            where = f"{page}:{text[: fence.start()].count(chr(10)) + 1}"
            language = re.split(r"[ ,]", fence.group(3).strip())[0]
            if language == "rust":
                self.counts["Rust blocks"] += 1
                rust.append(fence.group(0))
            elif language in ("sh", "bash", "console"):
                joined = fence.group(4).replace("\\\n", " ")
                for line in joined.splitlines():
                    line = line.strip().removeprefix("$ ")
                    if line and not line.startswith("#"):
                        self.command(where, line)
            elif language == "":
                self.wrong(where, "a block that does not say what it is")
        plain = without_fences(text)
        for number, line in enumerate(plain.splitlines(), 1):
            where = f"{page}:{number}"
            if any(f"{place}/" in line for place in (Path.home(), ROOT, "/home", "/Users")):
                self.wrong(where, "a path of one machine")
            for code in CODE.findall(line):
                self.code(where, code)
        spoken = CODE.sub("", plain)
        for pattern, group in ((LINK, 3), (REFERENCE, 2), (ATTRIBUTE, 1)):
            source = plain if pattern is LINK else spoken
            for match in pattern.finditer(source):
                where = f"{page}:{source[: match.start()].count(chr(10)) + 1}"
                self.link(where, page, match.group(group))
        return bool(rust)

    def drawing(self, name):
        self.counts["drawings"] += 1
        try:
            root = xml.etree.ElementTree.parse(self.project.root / name).getroot()
        except xml.etree.ElementTree.ParseError as error:
            return self.wrong(name, str(error))
        if not root.tag.endswith("svg") or "viewBox" not in root.attrib:
            self.wrong(name, "not a drawing with a viewBox")


def write_crate(project, folder, pages):
    """Writes a crate whose documentation tests are the Rust blocks of `pages`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "src").mkdir(exist_ok=True)
    manifest = project.manifest
    lines = [
        "[package]", 'name = "compio-sync-docs"', 'version = "0.0.0"',
        f'edition = "{manifest["package"]["edition"]}"', "publish = false", "", "[workspace]", "",
        "[features]", "", "[dependencies]",
        f'compio-sync = {{ path = "{project.root}", features = ["time"] }}',
    ]
    # What the crate's own examples are compiled with.
    versions = manifest["dependencies"] | manifest["dev-dependencies"]
    for name, wanted in versions.items():
        if isinstance(wanted, str):
            wanted = {"version": wanted}
        items = [f'version = "{wanted["version"]}"']
        if "default-features" in wanted:
            items.append(f'default-features = {str(wanted["default-features"]).lower()}')
        if "features" in wanted:
            items.append(f'features = {wanted["features"]}'.replace("'", '"'))
        lines.append(f'{name} = {{ {", ".join(items)} }}')
    write(folder / "Cargo.toml", "\n".join(lines) + "\n")
    body = "".join(
        f'#[doc = include_str!("{project.root / page}")]\npub struct Page{number};\n'
        for number, page in enumerate(pages)
    )
    write(folder / "src/lib.rs", body)


def write(file, text):
    """Leaves a file alone that says this already, so that cargo does, too."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crate", type=Path, help="write the Rust blocks into a crate there")
    parser.add_argument("--measured", action="store_true", help="the figures have to be there")
    arguments = parser.parse_args()
    project = Project(ROOT)
    checker = Checker(project)
    pages = sorted(name for name in project.files if name.endswith(".md"))
    # Pages that the crate itself has as documentation tests are run with its others.
    own = set(re.findall(r'include_str!\("(?:\.\./)+([^"]+)"\)', (ROOT / "src/lib.rs").read_text()))
    with_rust = [page for page in pages if checker.page(page) and page not in own]
    for name in sorted(project.files):
        if name.endswith(".svg"):
            checker.drawing(name)
    if arguments.crate:
        write_crate(project, arguments.crate, with_rust)
    if arguments.measured:
        checker.mistakes += checker.notes
        checker.notes = []
    for line in checker.notes:
        print(f"note  {line}")
    for line in checker.mistakes:
        print(f"FAIL  {line}")
    print(", ".join(f"{count} {what}" for what, count in checker.counts.items()))
    sys.exit(bool(checker.mistakes))


if __name__ == "__main__":
    main()
