#!/usr/bin/env bash
# gunicorn's upgrade without a gap (SIGUSR2: a second master next to the first) does not work for sockets
# that systemd hands over, though gunicorn has code for it.
#
# One would guess: it works. On SIGUSR2 gunicorn sets LISTEN_FDS and LISTEN_PID for the second master when
# the first got its sockets from systemd, and GUNICORN_FD otherwise.
# What happens: the first master duplicates descriptor 3 and closes it, so the number that it tells the
# second one leads to another file or to none. The second master exits with OSError; the first one serves
# on, and `kill` returned 0. With sockets that gunicorn opened itself, the second master listens.
#
# The socket is handed over as systemd does it (LISTEN_FDS, LISTEN_PID, descriptor 3), by a few lines of
# Python.
#
# Seen on 2026-12-01, Python 3.11 on Debian 12:
#   20.1.0: own socket: two masters; handed over: one master, OSError
#   23.0.0: own socket: two masters; handed over: one master, OSError
#   27.0.1: own socket: two masters; handed over: one master, OSError
#
#   findings/gunicorn-second-master-without-its-sockets.sh
#
# Installs three versions of gunicorn from PyPI into a temporary folder; listens on 127.0.0.1 alone, and
# nothing connects. Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip

cat >application.py <<'PY'
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
PY
cat >start.py <<'PY'
import os, socket, sys
arguments = ["--bind", "127.0.0.1:0"]
if sys.argv[1] == "handed-over":
    arguments = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, sys.argv[2], *arguments, "application:app"])
PY

wait_for() { # TEXT COUNT: until the log has it so often, at most ten seconds
    for _ in {1..100}; do
        [ "$(grep -c "$1" gunicorn.log)" -ge "$2" ] && return
        sleep 0.1
    done
}

# masters VERSION WHOSE-SOCKET: how many masters began to listen, and the second one's error.
masters() {
    local first second
    : >gunicorn.log
    PYTHONPATH=$folder/$1:$folder python3 start.py "$2" "$folder/$1/bin/gunicorn" 2>gunicorn.log &
    first=$!
    wait_for 'Booting worker' 1
    kill -USR2 "$first"
    wait_for 'Booting worker\|OSError' 2
    sleep 0.5
    echo "$(grep -c 'Listening at' gunicorn.log) $(grep -o -m1 'OSError' gunicorn.log || true)"
    # The second master is a child of the first that has children of its own.
    for second in $(pgrep -P "$first"); do
        if pgrep -P "$second" >/dev/null; then kill "$second"; fi
    done
    kill "$first"
    wait "$first" || true
}

same=0
for version in 20.1.0 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" \
        "gunicorn==$version" setuptools==75.8.0
    own=$(masters "$version" own)
    handed=$(masters "$version" handed-over)
    echo "$version: own socket: $own; handed over: $handed"
    [ "$own" = "2 " ] && [ "$handed" = "1 OSError" ] || same=1
done
exit $same
