#!/usr/bin/env bash
# gunicorn 23.0.0: max_requests loses requests under gthread workers, though nobody reloads anything.
#
# One would guess: a worker that has served its number of requests takes no more, answers those that
# it has taken, and goes; another takes its place. Clients see nothing, as with sync workers.
# What happens: a gthread worker accepts connections that it then closes without an answer. nginx
# says 502 for them, a client that talks to gunicorn itself sees its connection closed.
#
# Seen on 2026-11-28, Python 3.11 on Debian 12, 3,000 POSTs, each on a connection of its own:
#   23.0.0 gthread 25 lost, 23.0.0 sync 0, 27.0.1 gthread 0
# 27.0.1 is the first version that loses none however it is reached.
#
#   findings/gthread-max-requests.sh
#
# Installs the two versions from PyPI into a temporary folder and talks over a unix socket in it.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip
for version in 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" "gunicorn==$version"
done

cat >application.py <<'PY'
import time

def app(environ, start_response):
    environ["wsgi.input"].read()
    time.sleep(0.005)
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\n"]
PY

cat >client.py <<'PY'
import concurrent.futures, socket

def post(_):
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(15)
            connection.connect("app.sock")
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\na=b")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(not answered for answered in pool.map(post, range(3000))))
PY

# lost VERSION ARGUMENTS…: how many POSTs were not answered.
lost() {
    local version=$1 master
    shift
    rm -f app.sock
    PYTHONPATH=$folder/$version:$folder python3 -m gunicorn --bind unix:app.sock --workers 3 \
        --max-requests 100 --log-level error "$@" application:app 2>"$version.log" &
    master=$!
    for _ in {1..100}; do [ -S app.sock ] && break; sleep 0.1; done
    python3 client.py
    kill "$master" && wait "$master" || true
}

old=$(lost 23.0.0 --threads 4)
sync=$(lost 23.0.0)
new=$(lost 27.0.1 --threads 4)
echo "lost of 3000 POSTs: 23.0.0 gthread $old, 23.0.0 sync $sync, 27.0.1 gthread $new"
[ "$old" -gt 0 ] && [ "$sync" = 0 ] && [ "$new" = 0 ]
