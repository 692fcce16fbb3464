#!/usr/bin/env python3
"""Writes table.rs beside this file from gunicorn as it is published.

    src/source/gunicorn/table.py [FILE]

Installs each version from PyPI into a temporary folder, or below $GUNICORNS and keeps it there, asks
its gunicorn.config for the settings, and writes a row for each setting and range of versions in which
it stays as it is. A new version is a word in VERSIONS. What the machine makes of some defaults is put
right here. `kind` is the validator in gunicorn/config.py that a setting goes through.
"""
import json
import os
import subprocess
import sys
import tempfile

# The last of each major version, and 20.1.0, which distributions carry.
VERSIONS = ["20.1.0", "21.2.0", "22.0.0", "23.0.0", "24.1.1", "25.3.0", "26.2.0", "27.0.1"]
# 20.1.0 reads its own version by pkg_resources, which newer setuptools do not bring.
BESIDE = {"20.1.0": ["setuptools<80"]}

# Runs with a gunicorn on the path: its settings as JSON.
ASK = """
import json
from gunicorn import config

def plain(value):
    if isinstance(value, staticmethod):
        value = value.__func__
    if value is None or isinstance(value, (bool, int, str, dict)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return "<callable>" if callable(value) else str(value)

settings = {}
for setting in config.KNOWN_SETTINGS:
    found = {}
    for name in ("cli", "action", "nargs"):
        if getattr(setting, name, None):
            found[name] = getattr(setting, name)
    kind = getattr(setting, "type", None)
    if kind is not None and kind is not str:
        found["type"] = kind.__name__
    default = plain(setting.__dict__.get("default", setting.default))
    if default is not None:
        found["default"] = default
    settings[setting.name] = found
print(json.dumps(settings, default=str))
"""

KINDS = {
    "chdir": "Directory", "user": "User", "group": "Group", "worker_class": "Class",
    "logger_class": "Class", "logconfig_dict": "Dict", "secure_scheme_headers": "Dict",
    "statsd_host": "Statsd", "reload_engine": "ReloadEngine", "ssl_version": "Opaque",
    "cert_reqs": "PositiveInt", "forwarded_allow_ips": "TextSet", "proxy_allow_ips": "TextSet",
    "uwsgi_allow_ips": "TextSet", "forwarder_headers": "TextSet", "header_map": "Choice",
    "asgi_lifespan": "Choice", "asgi_loop": "Choice", "http_parser": "Choice",
    "http_protocols": "Choice", "http2_cleartext": "Choice", "http2_max_frame_size": "Opaque",
    "http2_initial_window_size": "Opaque", "http2_max_concurrent_streams": "Opaque",
    "reload_extra_files": "Files", "on_exit": "Callable",
}
# Not the machine's: the working directory, the caller's ids, a path below the caller's home.
OPAQUE = {"chdir", "user", "group", "control_socket", "ssl_version", "default_proc_name"}


def text(value):
    return json.dumps(value, ensure_ascii=True)


def kind(name, setting):
    if name == "proxy_protocol" and setting.get("nargs"):
        return "ProxyProtocol"
    if name in KINDS:
        return KINDS[name]
    action, type_ = setting.get("action"), setting.get("type")
    if action in ("store_true", "store_const"):
        return "Bool"
    if action == "append":
        return "TextList"
    if type_ in ("int", "auto_int"):
        return "PositiveInt"
    return "Callable" if type_ == "callable" else "Text"


def action(setting):
    if not setting.get("cli"):
        return "None"
    given, type_ = setting.get("action"), setting.get("type")
    if given == "store_true":
        return "StoreTrue"
    if given == "store_const":
        return "StoreFalse"
    if given == "append":
        return "Append"
    if setting.get("nargs") == "?":
        return "Optional"
    return {"int": "Int", "auto_int": "AutoInt"}.get(type_, "Text")


def default(name, setting):
    value = setting.get("default")
    if name in OPAQUE:
        return "Machine"
    if name == "sendfile" or value is None:
        return "None"
    if value is True or value is False:
        return "Bool(%s)" % str(value).lower()
    if isinstance(value, int):
        return "Int(%d)" % value
    if isinstance(value, list):
        return "List(&[%s])" % ", ".join(text(item) for item in value)
    if isinstance(value, dict):
        return "Dict"
    if value.startswith("<callable"):
        return "Callable"
    return "Text(%s)" % text(value)


def installed(version, folder):
    """The directory that holds this gunicorn."""
    place, venv = os.path.join(folder, version), os.path.join(folder, "pip")
    # A distribution's Python has no pip of its own.
    if not os.path.exists(os.path.join(venv, "bin", "pip")):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if not os.path.isdir(os.path.join(place, "gunicorn")):
        pip = [os.path.join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check"]
        wanted = ["gunicorn==" + version] + BESIDE.get(version, [])
        subprocess.run(pip + ["--target", place] + wanted, check=True)
    return place


def asked(version, folder):
    # Nothing of the caller's environment: WEB_CONCURRENCY and PORT are defaults, too.
    answer = subprocess.run(
        [sys.executable, "-S", "-c", ASK], check=True, stdout=subprocess.PIPE,
        env={"PYTHONPATH": installed(version, folder), "PATH": os.defpath}, cwd="/")
    return json.loads(answer.stdout)


def ranges(folder):
    """Of each setting the ranges of versions in which it stays as it is."""
    settings = {}
    for version in VERSIONS:
        for name, setting in asked(version, folder).items():
            rows = settings.setdefault(name, [])
            before = VERSIONS.index(version) - 1
            if rows and rows[-1]["is"] == setting and rows[-1]["to"] == VERSIONS[before]:
                rows[-1]["to"] = version
            else:
                rows.append({"from": version, "to": version, "is": setting})
    return settings


def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = ranges(os.environ.get("GUNICORNS") or folder)
    out = ["//! Every setting of gunicorn from version to version. Written by table.py; do not edit.", "",
           "use super::row::{Action, Default, Kind, Row};", "",
           "/// The versions that were looked at, oldest first.",
           "#[rustfmt::skip]",
           "pub(super) const VERSIONS: &[&str] = &[%s];"
           % ", ".join(text(v) for v in VERSIONS), "",
           "/// One row for each setting and range of versions in which it stays as it is.",
           "#[rustfmt::skip]",
           "pub(super) const TABLE: &[Row] = &["]
    for name, rows in sorted(settings.items()):
        for row in rows:
            setting = row["is"]
            out.append(
                "    Row { name: %s, from: %s, to: %s, flags: &[%s], action: Action::%s, "
                "kind: Kind::%s, default: Default::%s }," % (
                    text(name), text(row["from"]), text(row["to"]),
                    ", ".join(text(flag) for flag in setting.get("cli") or []),
                    action(setting), kind(name, setting), default(name, setting)))
    out += ["];", ""]
    target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "table.rs")
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


main()
