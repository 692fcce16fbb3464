#!/usr/bin/env python3
"""Writes table.rs beside this file from gunicorn-settings.json (the first argument).

The json was taken from real gunicorns and holds what that machine made of some defaults; those
are put right here. `kind` is the validator in gunicorn/config.py that a setting goes through.
"""
import json
import os
import sys

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


def main():
    source = json.load(open(sys.argv[1], encoding="utf-8"))
    out = ["//! Every setting of gunicorn from version to version. Written by table.py; do not edit.", "",
           "use super::row::{Action, Default, Kind, Row};", "",
           "/// The versions that were looked at, oldest first.",
           "#[rustfmt::skip]",
           "pub(super) const VERSIONS: &[&str] = &[%s];"
           % ", ".join(text(v) for v in source["tested_versions"]), "",
           "/// One row for each setting and range of versions in which it stays as it is.",
           "#[rustfmt::skip]",
           "pub(super) const TABLE: &[Row] = &["]
    for name, rows in sorted(source["settings"].items()):
        for row in rows:
            setting = row["is"]
            out.append(
                "    Row { name: %s, from: %s, to: %s, flags: &[%s], action: Action::%s, "
                "kind: Kind::%s, default: Default::%s }," % (
                    text(name), text(row["from"]), text(row["to"]),
                    ", ".join(text(flag) for flag in setting.get("cli") or []),
                    action(setting), kind(name, setting), default(name, setting)))
    out += ["];", ""]
    target = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "table.rs")
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


main()
