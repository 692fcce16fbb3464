#!/usr/bin/env python3
"""Writes settings.txt beside this file: every setting of systemd's units, and what is so of it.

usage: settings.py VERSION=ROOT... (oldest first)

ROOT is a directory with that version's systemd and its manual pages, `/` for this machine. For
Debian: `debootstrap --variant=minbase --include=systemd trixie trixie-root`; what a minimal root
leaves out of /usr/share/man lies in the same package (`apt-get download systemd`, `dpkg-deb -x`).

From systemd itself (`--dump-configuration-items`): which settings there are and what each takes.
From its manual pages ("Added in version 254."): when one came that lies between two versions that
were asked. From JUDGED below, which is kept by hand: what systemd and this program do with it.
"""
import datetime
import glob
import gzip
import os
import re
import subprocess
import sys

PAGES = ("unit service exec kill resource-control socket timer mount swap path slice scope "
         "automount").split()

# Values that came later than their setting, from the manual pages and NEWS.
VALUES = {
    ("Service", "Type", "notify-reload"): 253,
    ("Service", "RestartMode", "debug"): 257,
    ("Service", "PrivateTmp", "disconnected"): 257,
    ("Service", "ProtectControlGroups", "private"): 257,
    ("Service", "ProtectControlGroups", "strict"): 257,
    ("Service", "PrivateUsers", "self"): 257,
    ("Service", "PrivateUsers", "identity"): 257,
    ("Service", "PrivateUsers", "full"): 258,
    ("Service", "ProtectHostname", "private"): 258,
}

# Types of which systemd passes over an empty value instead of taking back what was set before.
KEEPS_ON_EMPTY = ("BOOLEAN SECONDS MODE SIGNAL UNSIGNED INTEGER SERVICETYPE SERVICERESTART "
                  "SERVICERESTARTMODE SERVICEEXITTYPE ACCESS TIMEOUTMODE ACTION").split() + \
                 ["UNIT [...]"]
KEEPS_ON_EMPTY_KEYS = ("TimeoutStopSec TimeoutAbortSec NotifyAccess OOMPolicy ProtectHome "
                       "ProtectSystem PrivateTmp PrivateUsers PrivateMounts ProtectControlGroups "
                       "ProtectHostname").split()

# Lists whose type does not say so.
LISTS = ("Environment EnvironmentFile PassEnvironment UnsetEnvironment RuntimeDirectory "
         "StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory SupplementaryGroups "
         "TemporaryFileSystem ReadWritePaths ExecSearchPath").split()

# Command lines.
COMMANDS = {
    "Service": ("ExecCondition ExecStartPre ExecStart ExecStartPost ExecReload ExecReloadPost "
                "ExecStop ExecStopPost").split(),
    "Socket": "ExecStartPre ExecStartPost ExecStopPre ExecStopPost".split(),
}

# A second line of these stands beside the first and does not fight with it.
ADD_UP = ("Environment EnvironmentFile ExecStartPre ExecStartPost SupplementaryGroups After Before "
          "Wants Requires").split()

# systemd uses them from its own memory: a daemon-reload is enough for them to hold.
WITHOUT_RESTART = ("ExecReload ExecReloadPost ExecStop ExecStopPost KillMode KillSignal "
                   "FinalKillSignal SendSIGKILL SendSIGHUP TimeoutSec TimeoutStartSec "
                   "TimeoutStopSec TimeoutAbortSec Restart RestartSec RestartMode "
                   "RestartPreventExitStatus RestartForceExitStatus SuccessExitStatus "
                   "StartLimitBurst StartLimitIntervalSec TasksMax").split()

# The start, the reload or the environment hangs on them.
MATTERS = ("ExecStart ExecReload ExecStartPre ExecStop Environment EnvironmentFile User Group "
           "SupplementaryGroups DynamicUser WorkingDirectory RootDirectory Type NotifyAccess "
           "PIDFile Restart RestartSec KillMode KillSignal TimeoutStopSec TimeoutSec "
           "TimeoutStartSec RuntimeDirectory RuntimeDirectoryMode StateDirectory UMask WantedBy "
           "ListenStream SocketUser SocketGroup SocketMode Sockets").split()

# The order in which the settings of [Service] are written.
ORDER = ("Type NotifyAccess PIDFile User Group UMask RuntimeDirectory RuntimeDirectoryMode "
         "WorkingDirectory Environment EnvironmentFile ExecStartPre ExecStart ExecStartPost "
         "ExecReload ExecReloadPost ExecStop ExecStopPost KillMode KillSignal TimeoutStartSec "
         "TimeoutStopSec Restart RestartSec PrivateTmp StandardOutput StandardError").split()


def dumped(root):
    command = ["/lib/systemd/systemd", "--dump-configuration-items"]
    if os.path.realpath(root) != "/":
        command = ["chroot", root] + command
    text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=True).stdout
    section, found = None, {}
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            key, takes = line.split("=", 1)
            found[section, key] = takes
    if len(found) < 1000:
        sys.exit(f"{root}: only {len(found)} settings, is this systemd's own list?")
    return found


def added(root):
    """When a setting came, in the words of the manual pages of the newest version."""
    found = {}
    for page in PAGES:
        for path in glob.glob(f"{root}/usr/share/man/man5/systemd.{page}.5*"):
            opened = gzip.open if path.endswith(".gz") else open
            with opened(path, "rt", encoding="utf-8") as file:
                text = file.read().replace("\\&", "").replace("\\-", "-")
            # A paragraph's head names the settings, its last words tell the version.
            for part in re.split(r"\n(?=\.PP\n\\fI)", text):
                head = part.split("\n.RS", 1)[0]
                keys = re.findall(r"\\fI([A-Z][A-Za-z0-9]+)=", head)
                version = re.findall(r"Added in version (\d+)", part)
                for key in keys if version else ():
                    found[key] = max(int(version[-1]), found.get(key, 0))
    if len(found) < 100:
        sys.exit(f"{root}: the manual pages were not found")
    return found


def traits(section, key, takes):
    command = key in COMMANDS.get(section, ())
    yield from (["command"] if command else [])
    if command or key in LISTS or "[...]" in takes:
        yield "list"
    if takes not in KEEPS_ON_EMPTY and key not in KEEPS_ON_EMPTY_KEYS:
        yield "resets"
    yield from (["adds-up"] if key in ADD_UP else [])
    yield from (["no-restart"] if key in WITHOUT_RESTART else [])
    yield from (["matters"] if key in MATTERS else [])
    if section == "Service" and key in ORDER:
        yield f"order={ORDER.index(key) + 1}"
    for (of, name, value), since in VALUES.items():
        if (of, name) == (section, key):
            yield f"{value}@{since}"


def main():
    roots = [argument.split("=", 1) for argument in sys.argv[1:]]
    if len(roots) < 2:
        sys.exit(__doc__)
    versions = [int(version) for version, _ in roots]
    dumps = [dumped(root) for _, root in roots]
    came = added(roots[-1][1])
    lines = []
    for section, key in sorted(set().union(*dumps)):
        has = [(section, key) in dump for dump in dumps]
        first, last = has.index(True), len(has) - 1 - has[::-1].index(True)
        since = str(versions[first])
        if first:
            low = versions[first - 1] + 1
            known = came.get(key, 0)
            since = str(known) if low <= known <= versions[first] else f"{low}-{versions[first]}"
        until = "-" if last == len(has) - 1 else f"{versions[last]}-{versions[last + 1] - 1}"
        takes = dumps[last][section, key]
        said = ",".join(traits(section, key, takes)) or "-"
        lines.append("\t".join([section, key, since, until, takes, said]))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "settings.txt"), "w",
              encoding="utf-8") as out:
        out.write(
            "# Generated by settings.py on %s from systemd's own lists: %s.\n"
            "# Section, setting, since which version (252: or before; 253-257: one of these),\n"
            "# until which (-: the newest has it; 257-261: one of these is the last), what the\n"
            "# parser says it takes, what is so of it. Do not edit.\n"
            % (datetime.date.today(), ", ".join(map(str, versions))))
        out.write("\n".join(lines) + "\n")


main()
