"""Time and memory of a whole command, from start to exit."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time

# What a check may end with: nothing found, findings, something was not readable.
FINE = (0, 1, 3)
NULL = os.open(os.devnull, os.O_WRONLY)


def times(command, runs):
    """Median wall and processor time in ms, output thrown away; one run before does not count."""
    actions = [(os.POSIX_SPAWN_DUP2, NULL, 1), (os.POSIX_SPAWN_DUP2, NULL, 2)]
    walls, processors = [], []
    for number in range(runs + 1):
        start = time.perf_counter()
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        elapsed = (time.perf_counter() - start) * 1000
        code = os.waitstatus_to_exitcode(status)
        if code not in FINE:
            sys.exit(f"{command}: exit {code}")
        if number:
            walls.append(elapsed)
            processors.append((usage.ru_utime + usage.ru_stime) * 1000)
    return statistics.median(walls), statistics.median(processors)


def peak_memory(command):
    """In MiB, from time(1): a child of Python's own would be counted with Python's memory."""
    time_program = shutil.which("time")
    if not time_program:
        return float("nan")
    wrapped = [time_program, "-f", "%M", *command]
    ran = subprocess.run(wrapped, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(ran.stderr.split()[-1]) / 1024


def instructions(command):
    """How many instructions a command executes, by callgrind."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    ran = subprocess.run(valgrind + command, capture_output=True, text=True)
    found = re.search(r"Collected *: *(\d+)", ran.stderr)
    if not found:
        sys.exit(f"callgrind counted nothing: {ran.stderr[-500:]}")
    return int(found.group(1))
