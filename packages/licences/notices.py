#!/usr/bin/env python3
"""Prints the notices of all that the program contains: each crate's own licence files, those of the
standard library, of musl, and of crates that bring no file. Equal texts stand once.

    packages/licences/notices.py TARGET

It fails where a crate has neither a file of its own nor one here, NAME.txt.
"""

import hashlib
import html.parser
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
NAMES = ("licen", "copying", "copyright", "notice", "unlicense")
# Crates of one repository whose licence file was not packed.
WITHOUT_A_FILE = {"ruff_": "ruff.txt"}
# Data that is under a licence of its own, beside the crate's files.
BESIDE = {"unicode_names2": "unicode_names2.txt"}


def crates(target):
    """What normal dependencies lead to on this target, without what only the compiler runs."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.check_output(command, cwd=TOP))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    reached, waiting = set(), [root]
    while waiting:
        at = waiting.pop()
        kinds = {kind for one in packages[at]["targets"] for kind in one["kind"]}
        if at in reached or "proc-macro" in kinds:
            continue
        reached.add(at)
        for dependency in nodes[at]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted((packages[one] for one in reached - {root}), key=lambda p: (p["name"], p["version"]))


def files(package):
    """A crate's licence files, also those of what it carries itself."""
    folder = pathlib.Path(package["manifest_path"]).parent
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.lower().startswith(NAMES) and path.suffix in ("", ".md", ".txt")
    ]
    name = package["name"]
    if not found:
        found = [HERE / file for start, file in WITHOUT_A_FILE.items() if name.startswith(start)]
    if name in BESIDE:
        found.append(HERE / BESIDE[name])
    if not found:
        sys.exit(f"{name} {package['version']} ({package['license']}) has no licence file: put one into {HERE}")
    return found


class Text(html.parser.HTMLParser):
    """The words of a page, a line a paragraph."""

    def __init__(self):
        super().__init__()
        self.words = []

    def handle_data(self, data):
        self.words.append(data)


def standard_library():
    """The notices that the compiler brings for what it links."""
    root = subprocess.check_output(["rustc", "--print", "sysroot"], cwd=TOP, text=True).strip()
    path = pathlib.Path(root) / "share/doc/rust/COPYRIGHT-library.html"
    page = Text()
    page.feed(path.read_text(encoding="utf-8"))
    lines = [line.rstrip() for line in "".join(page.words).splitlines()]
    return "\n".join(line for at, line in enumerate(lines) if line or lines[at - 1]).strip()


def main():
    (target,) = sys.argv[1:]
    texts, users = {}, {}
    listed = crates(target)
    for package in listed:
        for path in files(package):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            texts.setdefault(key, text)
            users.setdefault(key, []).append(f"{package['name']} {package['version']}")
    rule = "=" * 78
    print("deploy-doctor contains these crates, under the licences that they name:\n")
    for package in listed:
        print(f"  {package['name']} {package['version']}: {package['license']}")
    print("\nand Rust's standard library, and musl where it is linked statically. Their notices follow.")
    for key, text in texts.items():
        print(f"\n{rule}\n{', '.join(dict.fromkeys(users[key]))}\n{rule}\n\n{text}")
    if target.endswith("musl"):
        print(f"\n{rule}\nmusl\n{rule}\n\n{(HERE / 'musl.txt').read_text().strip()}")
    print(f"\n{rule}\nRust's standard library\n{rule}\n\n{standard_library()}")


main()
