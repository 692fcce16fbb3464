#!/usr/bin/env python3
"""Writes table.rs beside this file: nginx's directives, out of the programs themselves.

usage: directives.py [--changes CHANGES] VERSION=DIRECTORY... (oldest first)

DIRECTORY holds unpacked packages of that version: nginx, and the modules that are to be known with
it. For Debian, of each release: `apt-get download nginx libnginx-mod-stream ...`, then
`dpkg-deb -x FILE DIRECTORY`. Nothing of it is run. CHANGES is nginx's own list of changes (in
Debian's package /usr/share/doc/nginx/changelog.gz): it tells which version brought a directive that
lies between two that were asked.

Every module has a table of commands, `ngx_command_t`: the name, the type (the places and numbers of
arguments as bits of ngx_conf_file.h and ngx_http_config.h), and the function that reads it. The
tables are found in the program's data by their shape, as `ngx_module_t` points to them.
"""
import datetime
import glob
import gzip
import os
import re
import struct
import sys

HTTP_PLACES = {0x02000000: "HTTP", 0x04000000: "SERVER", 0x08000000: "LOCATION",
               0x10000000: "UPSTREAM", 0x20000000: "SERVER_IF", 0x40000000: "LOCATION_IF",
               0x80000000: "LIMIT_EXCEPT"}
MAIN = 0x01000000
ARGUMENTS = {0x001: "NONE", 0x002: "TAKES_1", 0x004: "TAKES_2", 0x008: "TAKES_3",
             0x010: "TAKES_4", 0x020: "TAKES_5", 0x040: "TAKES_6", 0x080: "TAKES_7",
             0x100: "BLOCK", 0x200: "FLAG", 0x400: "ANY", 0x800: "ONE_OR_MORE",
             0x1000: "TWO_OR_MORE"}
KINDS = {b"CORE": "core", b"CONF": "core", b"EVNT": "events", b"HTTP": "http", b"MAIL": "mail",
         b"STRM": "stream", b"RTMP": "rtmp"}


class Program:
    """The parts of a little-endian 64-bit ELF file that hold tables of commands."""

    def __init__(self, path):
        self.data = open(path, "rb").read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            sys.exit(f"{path} is no little-endian 64-bit ELF file")
        offset, size, count = (struct.unpack_from("<Q", self.data, 0x28)[0],
                               *struct.unpack_from("<HH", self.data, 0x3A))
        self.sections = []
        self.pointers = {}
        relocations = []
        for index in range(count):
            _, kind, _, address, at, length = struct.unpack_from(
                "<IIQQQQ", self.data, offset + index * size)
            if kind != 8 and address:
                self.sections.append((address, at, length))
            if kind == 4:
                relocations.append((at, length))
        for at, length in relocations:
            for entry in range(at, at + length, 24):
                where, info, addend = struct.unpack_from("<QQq", self.data, entry)
                if info & 0xFFFFFFFF == 8:
                    self.pointers[where] = addend
                else:
                    # To another object's symbol: not null, and of no interest here.
                    self.pointers.setdefault(where, -1)

    def bytes(self, address, length):
        for start, at, size in self.sections:
            if start <= address < start + size:
                return self.data[at + address - start:at + address - start + length]
        return b""

    def word(self, address):
        found = self.bytes(address, 8)
        return struct.unpack("<Q", found)[0] if len(found) == 8 else 0

    def commands(self):
        """(kind of module, name, type, function that reads it) of every command."""
        for where in sorted(self.pointers):
            # ngx_module_t: seven words, the context, the commands, the type.
            signature = self.bytes(self.pointers[where], 10)
            if not re.match(rb"8,4,8,[01]{4}", signature):
                continue
            kind = KINDS.get(self.bytes(where + 24, 4))
            table = self.pointers.get(where + 16)
            if kind is None or table is None:
                continue
            while True:
                name = self.pointers.get(table + 8)
                length = self.word(table)
                if not length or name is None:
                    break
                text = self.bytes(name, length)
                if not re.fullmatch(rb"[A-Za-z0-9_]+", text):
                    break
                yield kind, text.decode(), self.word(table + 16), self.pointers.get(table + 24)
                table += 56


# One directive for each of nginx's own functions that set one value and call a second line in the
# same block a duplicate: on/off, number, size, offset, milliseconds, seconds, text, choice, buffers.
SET_ONCE = ("sendfile keepalive_requests connection_pool_size client_max_body_size send_timeout "
            "keepalive_time default_type satisfy gzip_buffers").split()
# Read by functions of their own that say the same.
ALSO_ONCE = ("alias root pid user proxy_pass keepalive keepalive_timeout worker_connections "
             "worker_processes").split()


def read(directory):
    """name → {(kind, type)}, the names that modules of their own bring, those set once."""
    own, modules, once = {}, {}, set(ALSO_ONCE)
    program = glob.glob(f"{directory}/**/usr/sbin/nginx", recursive=True)
    if not program:
        sys.exit(f"no nginx below {directory}")
    shared = sorted(glob.glob(f"{directory}/**/nginx/modules/*.so", recursive=True))
    for path in program[:1] + shared:
        # Modules of nginx's own sources that Debian packs apart.
        official = path in program or re.search(
            r"ngx_(stream|mail|http_(geoip|image_filter|perl|xslt_filter)|stream_geoip)_module",
            path)
        commands = list(Program(path).commands())
        setters = {setter for kind, name, _, setter in commands
                   if path in program and name in SET_ONCE and kind in ("http", "core")}
        for kind, name, bits, setter in commands:
            (own if official else modules).setdefault(name, set()).add((kind, bits))
            if setter in setters and kind in ("http", "core"):
                once.add(name)
    if len(own) < 500:
        sys.exit(f"{directory}: only {len(own)} directives, is this nginx?")
    return own, modules, once


def brought(path):
    """Which version brought a directive and which dropped one, as the list of changes has it."""
    found, gone = {}, {}
    if path is None:
        return found, gone
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        text = file.read()
    for part in re.split(r"\n(?=Changes with nginx )", text):
        version = re.match(r"\s*Changes with nginx ([0-9.]+)", part)
        for entry in re.split(r"\n\s+\*\) ", part):
            entry = " ".join(entry.split())
            told = re.match(r'(?:Feature|Security|Change): (?:the )?((?:"[a-z0-9_]+"[, and]*)+)'
                            r"directives?\b", entry)
            if version and told:
                for name in re.findall(r'"([a-z0-9_]+)"', told[1]):
                    found[name] = version[1]
            lost = re.match(r'Change: the deprecated "([a-z0-9_]+)" directive is not supported '
                            "anymore", entry)
            if version and lost:
                gone[lost[1]] = version[1]
    return found, gone


def form(kind, bits):
    """One form of a directive in words: where it may stand and what it takes."""
    words = []
    if kind == "http":
        words += [word for bit, word in HTTP_PLACES.items() if bits & bit]
        words += ["MAIN"] if bits & MAIN else []
    elif kind == "core" and bits & MAIN:
        # NGX_ANY_CONF: also in every block.
        words += ["MAIN"] + (["ANY_HTTP"] if bits & 0x1C000000 else [])
    words += [] if words else ["ELSEWHERE"]
    words += [word for bit, word in ARGUMENTS.items() if bits & bit]
    return " | ".join(words)


def of(found):
    """All forms of a directive. Where http has it too, what else has is of no interest."""
    words = {form(*each) for each in found}
    here = {each for each in words if not each.startswith("ELSEWHERE")}
    return ", ".join(sorted(here or words))


def number(version):
    major, minor, patch = (version + ".0").split(".")[:3]
    return f"({major}, {minor}, {patch})"


def key(version):
    return [int(part) for part in version.split(".")]


def main():
    arguments = sys.argv[1:]
    changes = None
    if arguments[:1] == ["--changes"]:
        changes, arguments = arguments[1], arguments[2:]
    asked = [argument.split("=", 1) for argument in arguments]
    if len(asked) < 2:
        sys.exit(__doc__)
    versions = [version for version, _ in asked]
    tables = [read(directory) for _, directory in asked]
    came, gone = brought(changes)
    out = ["//! nginx's directives: where each may stand, what it takes, which versions have it.",
           "//! Written by directives.py on %s from nginx %s; do not edit." % (
               datetime.date.today(), ", ".join(versions)), "",
           "#![allow(clippy::wildcard_imports)] // a table of the words beside it", "",
           "use super::words::*;", "",
           "/// Sorted by name.", "#[rustfmt::skip]",
           "pub(super) static DIRECTIVES: &[Directive] = &["]

    def change(at, told):
        before, after = versions[at - 1], versions[at]
        if told and key(before) < key(told) <= key(after):
            return "From(%s)" % number(told)
        return "Between(%s, %s)" % (number(before), number(after))

    for name in sorted(set().union(*(own for own, _, _ in tables))):
        forms = [of(own.get(name, ())) for own, _, _ in tables]
        once = all(name in each for own, _, each in tables if name in own)
        start = 0
        for at in range(1, len(forms) + 1):
            if at < len(forms) and forms[at] == forms[start]:
                continue
            if forms[start]:
                fresh = start and not forms[start - 1]
                since = change(start, came.get(name) if fresh else None) if start else "ALWAYS"
                lost = at < len(forms) and not forms[at]
                until = ("STILL" if at == len(forms) else
                         change(at, gone.get(name) if lost else None))
                out.append('    Directive { name: "%s", since: %s, until: %s, once: %s, '
                           'forms: &[%s] },' % (
                               name, since, until, str(once).lower(), forms[start]))
            start = at
    others = set().union(*(modules for _, modules, _ in tables))
    others -= set().union(*(own for own, _, _ in tables))
    out += ["];", "",
            "/// What modules bring that are packed beside nginx, sorted: their forms are theirs.",
            "#[rustfmt::skip]", "pub(super) static OF_MODULES: &[&str] = &["]
    out += ['    "%s",' % name for name in sorted(others)]
    out += ["];", ""]
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "table.rs")
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


main()
