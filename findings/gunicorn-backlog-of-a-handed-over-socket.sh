#!/usr/bin/env bash
# Whose backlog counts for a socket that systemd hands over has turned round between two versions of
# gunicorn, without a word in what one configures.
#
# One would guess: the same setting decides in every version, `--backlog` since gunicorn accepts the
# connections, or `Backlog=` of the .socket unit since systemd made the socket.
# What happens: gunicorn 20.1.0 and 23.0.0 call listen() on the inherited socket once more, so that
# `--backlog` (2048 unless it is set) replaces what the socket had. 27.0.1 leaves it as it came: a
# .socket unit with a short `Backlog=` that did no harm before an upgrade fills up after it, and
# `--backlog` changes nothing any more.
#
# The queue's limit is read from the kernel: ss shows it for a listening socket as Send-Q. The socket is
# handed over as systemd does it (LISTEN_FDS, LISTEN_PID, descriptor 3), by a few lines of Python.
#
# Seen on 2026-11-29, Python 3.11 on Debian 12, a socket made with a backlog of 7:
#   20.1.0: 2048, with --backlog 33: 33
#   23.0.0: 2048, with --backlog 33: 33
#   27.0.1: 7, with --backlog 33: 7
#
#   findings/gunicorn-backlog-of-a-handed-over-socket.sh
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
cat >hand_over.py <<'PY'
import os, socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(7)
print(listener.getsockname()[1], flush=True)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *sys.argv[1:], "application:app"])
PY

# limit VERSION OPTION…: the queue's limit once gunicorn listens.
limit() {
    local version=$1 master port
    shift
    rm -f port gunicorn.log
    touch gunicorn.log
    PYTHONPATH=$folder/$version:$folder python3 hand_over.py "$@" >port 2>gunicorn.log &
    master=$!
    for _ in {1..100}; do
        grep -q 'Booting worker' gunicorn.log && break
        sleep 0.1
    done
    port=$(cat port)
    ss --no-header --listening --numeric --tcp "sport = :$port" | awk '{print $3}'
    kill "$master"
    wait "$master" || true
}

same=0
for version in 20.1.0 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" \
        "gunicorn==$version" setuptools==75.8.0
    own=$(limit "$version")
    set=$(limit "$version" --backlog 33)
    echo "$version: $own, with --backlog 33: $set"
    case $version in
        27.*) [ "$own $set" = "7 7" ] || same=1 ;;
        *) [ "$own $set" = "2048 33" ] || same=1 ;;
    esac
done
exit $same
