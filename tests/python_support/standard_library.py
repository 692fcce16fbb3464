"""Writes the table of src/facts/release/standard_library.rs: the top-level modules of Python 3.9 to
3.14, as `sys.stdlib_module_names` has them, and the versions of those that came or went.

    python3 -m venv /tmp/lists && /tmp/lists/bin/pip install stdlib-list==0.12.0
    /tmp/lists/bin/python tests/python_support/standard_library.py >/tmp/table.rs

The lists are those of the package stdlib-list, which takes them from each Python itself; where the
interpreter that runs this is one of them, its own is compared.
"""

import sys

from stdlib_list import stdlib_list

FIRST, LAST = 9, 14
# Left out: the program itself, and what only one builder's Python 3.9 had.
NOT_MODULES = {"__main__", "__phello__", "lib"}


def names(minor):
    """Python's own list begins with 3.10 and leaves its tests out; private modules are no part of
    what changes: nobody is told that one is missing."""
    found = {name.split(".")[0] for name in stdlib_list(f"3.{minor}")} - NOT_MODULES
    found.add("test")
    if minor == 9:
        found |= {"nt", "pyexpat"}
    if sys.version_info[:2] == (3, minor):
        lacking = sys.stdlib_module_names - found
        assert not lacking, lacking
        found = set(sys.stdlib_module_names) | {"test"}
    return {name for name in found if "sysconfigdata" not in name}


def main():
    versions = {minor: names(minor) for minor in range(FIRST, LAST + 1)}
    everything = sorted(set().union(*versions.values()))
    print("const ALWAYS: &[&str] = &[")
    line = "   "
    changed = []
    for name in everything:
        having = [minor for minor in versions if name in versions[minor]]
        if len(having) != len(versions) and not name.startswith("_"):
            # One range each: nothing came back after it had gone.
            assert having == list(range(having[0], having[-1] + 1)), (name, having)
            changed.append((name, having[0], having[-1]))
            continue
        word = f' "{name}",'
        if len(line) + len(word) > 99:
            print(line)
            line = "   "
        line += word
    print(line)
    print("];\n\nconst CHANGED: &[(&str, u8, u8)] = &[")
    for name, first, last in changed:
        print(f'    ("{name}", {first}, {last}),')
    print("];")


main()
