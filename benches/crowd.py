"""A host with a crowd on it, for a live check: 2,000 processes and 5,000 sockets.

It stands in namespaces of its own (processes, network, mounts) with a small tree as its root, so
it is the same on every machine, and goes away as a whole when its first process ends. There run
gunicorn as the tree's unit starts it, and a crowd of others, a tenth of them Python's; of the
sockets half are unix and half TCP, a tenth of each listens and the others are connected.
"""

import ctypes
import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import measure

PROCESSES = 2000
SOCKETS = 5000
NAMESPACES = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--ipc", "--"]
WORDS = """/srv/myapp/.venv/bin/python /srv/myapp/.venv/bin/gunicorn --workers 3
    --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app"""
ROOM = "-" * len(WORDS)


def measured(root, program, kind, runs):
    """Milliseconds and MiB of a live check on such a host; the reason where there can be none.

    The application is `running`, `down`, or runs while a `foreign` process holds its socket.
    """
    if os.geteuid() != 0:
        return "needs root"
    command = [*NAMESPACES, sys.executable, __file__, str(root), program, kind, str(runs), ROOM]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        return (ran.stderr.strip().splitlines() or ["no namespaces"])[-1]
    return json.loads(ran.stdout)


def mount(source, at, kind=None):
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 0 if kind else 4096  # MS_BIND
    if libc.mount(os.fsencode(source), os.fsencode(at), kind and kind.encode(), flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mounting {at}")


def bring_up_loopback():
    with socket.socket() as any_socket:
        up = struct.pack("16sh14x", b"lo", 1)  # IFF_UP, netdevice(7)
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS


def called(name, words):
    """Gives this process a name and a command line, in the place of its own."""
    pathlib.Path("/proc/self/comm").write_text(name)
    fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start, arg_end: proc(5)
    line = b"".join(os.fsencode(word) + b"\0" for word in words)
    ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)


def gunicorn(root, bind):
    """A master and three workers, as /proc shows them: they hold one socket and sleep."""
    socket_file = root / "run/myapp/gunicorn.sock"
    socket_file.parent.mkdir(parents=True, exist_ok=True)
    socket_file.unlink(missing_ok=True)
    ready, tell = os.pipe()
    if os.fork() == 0:
        called("gunicorn", WORDS.split())
        os.chroot(root)
        os.chdir("/srv/myapp/current")
        if bind:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind("/run/myapp/gunicorn.sock")
            os.chmod("/run/myapp/gunicorn.sock", 0o777)
            listener.listen(2048)
        os.setgid(33)
        os.setuid(33)
        pids = [os.getpid()]
        while len(pids) < 4 and pids[-1]:
            pids.append(os.fork())
        if pids[-1]:
            os.write(tell, json.dumps(pids).encode())
        while True:
            signal.pause()
    pids = json.loads(os.read(ready, 4096))
    group = root / "sys/fs/cgroup/system.slice/myapp.service/cgroup.procs"
    group.parent.mkdir(parents=True, exist_ok=True)
    group.write_text("".join(f"{pid}\n" for pid in pids))
    own = root / "crowd/cgroup"
    own.write_text("0::/system.slice/myapp.service\n")
    for pid in pids:
        mount(own, root / f"proc/{pid}/cgroup")


def crowd(root, count):
    sleep = shutil.which("sleep")
    for name in ("python3", "worker"):
        # A process is called after its program.
        shutil.copy(sleep, root / "crowd" / name)
    for number in range(count):
        name = "worker" if number % 10 else "python3"
        program = root / "crowd" / name
        os.posix_spawn(program, [f"/usr/bin/{name}", "infinity"], os.environ)


def sockets():
    limit = SOCKETS * 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    kept = []
    for family in (socket.AF_UNIX, socket.AF_INET):
        listeners = []
        for number in range(SOCKETS // 20):
            listener = socket.socket(family)
            place = f"/run/crowd.{number}" if family == socket.AF_UNIX else ("127.0.0.1", 0)
            listener.bind(place)
            listener.listen(64)
            listeners.append(listener)
        for number in range((SOCKETS // 2 - len(listeners)) // 2):
            client = socket.socket(family)
            listener = listeners[number % len(listeners)]
            client.connect(listener.getsockname())
            kept += [client, listener.accept()[0]]
        kept += listeners
    return kept


def main():
    root, program, kind, runs = pathlib.Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])
    for directory in ("proc", "run", "crowd"):
        (root / directory).mkdir(exist_ok=True)
    mount("tmpfs", root / "run", "tmpfs")
    mount("proc", root / "proc", "proc")
    called("systemd", ["/sbin/init"])
    shutil.copy(program, root / "deploy-doctor")
    bring_up_loopback()
    few = 1 if kind == "down" else 5
    if kind != "down":
        gunicorn(root, bind=kind == "running")
    crowd(root, PROCESSES - few)
    inside = ["chroot", str(root), "/deploy-doctor", "check", "--no-exec"]
    outside = os.open("/", os.O_RDONLY)
    os.chroot(root)
    os.chdir("/")
    held = sockets()
    if kind == "foreign":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("/run/myapp/gunicorn.sock")
        listener.listen(64)
        held.append(listener)
    time.sleep(0.5)
    count = sum(name.isdigit() for name in os.listdir("/proc"))
    if count < PROCESSES or len(held) < SOCKETS:
        sys.exit(f"only {count} processes and {len(held)} sockets")
    wall, processor = measure.times(["/deploy-doctor", *inside[3:]], runs)
    os.fchdir(outside)
    os.chroot(".")
    print(json.dumps({"ms": wall, "cpu": processor, "MiB": measure.peak_memory(inside)}))


if __name__ == "__main__":
    main()
