#!/usr/bin/env bash
# gunicorn's gthread workers lose POSTs at a reload once the proxy keeps its connections open, which
# nginx does by itself from 1.29.7 on.
#
# One would guess: a reload (HUP) that loses nothing keeps losing nothing when nginx is upgraded.
# What happens: up to 1.29.6 nginx opened a connection for each request to an `upstream {}`; since
# then it keeps up to 32 idle ones. A gthread worker that is told to stop closes them, also those on
# which a request has just arrived. nginx may send a GET again, a POST it may not: 502.
#
# Seen on 2026-11-28, Python 3.11 on Debian 12: POSTs over eight reloads, by clients which send on an
# open connection only while the other side has not closed it, as nginx does:
#   connections kept 24 of 4568 lost, connections closed 0 of 4513
# With nginx itself, ten reloads of 20.1.0 under 1,276 POSTs: 1.30.6 with its defaults answered 502
# to 66, 1.22.1 to none; and 1.30.6 to none with `keepalive 0;` in the upstream, with
# `proxy_http_version 1.0;`, with `proxy_set_header Connection close;`, or where proxy_pass names the
# socket and no upstream. Behind nginx, 27.0.1 lost none in any of these ways. `e2e/measure` counts it.
#
#   findings/gthread-kept-connections.sh
#
# Installs gunicorn 20.1.0 from PyPI into a temporary folder and talks over a unix socket in it.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip
# 20.1.0 reads its own version by pkg_resources, which newer setuptools do not bring.
pip/bin/pip install --quiet --disable-pip-version-check --target 20.1.0 gunicorn==20.1.0 setuptools==75.8.0

cat >application.py <<'PY'
import time

def app(environ, start_response):
    environ["wsgi.input"].read()
    time.sleep(0.005)
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\n"]
PY

cat >client.py <<'PY'
import os, select, signal, socket, sys, threading, time

master, keep = int(sys.argv[1]), sys.argv[2] == "kept"
lost, sent, stop = 0, 0, False
CLOSE = "" if keep else "Connection: close\r\n"
POST = f"POST / HTTP/1.1\r\nHost: x\r\n{CLOSE}Content-Length: 3\r\n\r\na=b".encode()

def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(15)
    connection.connect("app.sock")
    return connection

def answered(connection):
    text = b""
    while not text.endswith(b"\r\n\r\nok\n"):
        more = connection.recv(4096)
        if not more:
            return False
        text += more
    return text.startswith(b"HTTP/1.1 200")

def client():
    global lost, sent
    connection = None
    while not stop:
        if connection is not None and select.select([connection], [], [], 0)[0]:
            connection = None  # the other side has closed it
        try:
            connection = connection or connect()
            connection.sendall(POST)
            good = answered(connection)
        except OSError:
            good = False
        sent, lost = sent + 1, lost + (not good)
        if not (good and keep):
            connection = None
        time.sleep(0.01)

clients = [threading.Thread(target=client) for _ in range(8)]
[thread.start() for thread in clients]
for _ in range(8):
    time.sleep(1.5)
    os.kill(master, signal.SIGHUP)
time.sleep(1.5)
stop = True
[thread.join() for thread in clients]
print(f"{lost} of {sent}")
PY

# lost kept|closed: how many POSTs were not answered.
lost() {
    local master
    rm -f app.sock
    PYTHONPATH=$folder/20.1.0:$folder python3 -m gunicorn --bind unix:app.sock --workers 3 \
        --threads 4 --log-level error application:app 2>gunicorn.log &
    master=$!
    for _ in {1..100}; do [ -S app.sock ] && break; sleep 0.1; done
    sleep 1
    python3 client.py "$master" "$1"
    kill "$master" && wait "$master" || true
}

old_kept=$(lost kept)
old_closed=$(lost closed)
echo "lost POSTs of gunicorn 20.1.0: connections kept $old_kept, closed $old_closed"
[ "${old_kept%% *}" -gt 0 ] && [ "${old_closed%% *}" = 0 ]
