#!/usr/bin/env bash
# A reload after the release link has moved does not find a module that is there, if both releases'
# directories have the same modification time.
#
# One would guess: a worker that gunicorn forks anew imports what the directory holds now.
# What happens: Python keeps a listing of each directory on sys.path and looks anew only where the
# directory's modification time differs. The finder is filled in the master (gunicorn imports there
# what its own options name, and a configuration file or an earlier import fills it), and every worker
# inherits it. What makes releases reproducible gives all their directories one time: `tar --mtime`,
# SOURCE_DATE_EPOCH, image layers, a `touch` at the end of a build. The new module is
# then "not found", the worker exits with 3, and gunicorn's master ends.
#
# Seen on 2026-11-29, Python 3.11 on Debian 12, gunicorn 23.0.0 and 27.0.1:
#   one time: ModuleNotFoundError for the module beside the application, the master ends;
#   times that differ by a second: the new release serves
#
#   findings/one-mtime-two-releases.sh
#
# Installs two versions of gunicorn from PyPI into a temporary folder and talks over a unix socket in
# it. Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip

release() {
    mkdir -p "releases/$1"
    cat >"releases/$1/application.py" <<PY
$2

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "${#1}")])
    return [b"$1"]
PY
}

ask() {
    python3 - <<'PY'
import socket
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(5)
    s.connect("app.sock")
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    text = b""
    while more := s.recv(4096):
        text += more
print(text.rsplit(b"\r\n", 1)[-1].decode())
PY
}

# after VERSION SECONDS: what serves after a reload with the new release's time so much later.
after() {
    local master answer
    rm -rf releases current app.sock
    release one ""
    release two "import brand_new"
    echo "x = 1" >releases/two/brand_new.py
    touch -d '2026-01-01 00:00:00' releases/one
    touch -d "2026-01-01 00:00:0$2" releases/two
    ln -s releases/one current
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$folder/$1 python3 -m gunicorn --chdir "$folder/current" \
        --bind "unix:$folder/app.sock" application:app >gunicorn.log 2>&1 &
    master=$!
    for _ in {1..100}; do [ -S app.sock ] && break; sleep 0.1; done
    [ "$(ask)" = one ] || { cat gunicorn.log >&2; return 1; }
    ln -sfn releases/two current
    kill -HUP "$master"
    for _ in {1..60}; do
        kill -0 "$master" 2>/dev/null || break
        answer=$(ask 2>/dev/null || true)
        [ "$answer" = two ] && break
        sleep 0.1
    done
    if kill -0 "$master" 2>/dev/null; then
        kill "$master"
        wait "$master" || true
        echo "${answer:-nothing} serves"
    else
        wait "$master" || true
        echo "the master ended: $(grep -o "No module named 'brand_new'" gunicorn.log | head -n 1)"
    fi
}

same=0
for version in 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" "gunicorn==$version"
    one=$(after "$version" 0)
    two=$(after "$version" 1)
    echo "gunicorn $version: one time: $one; times a second apart: $two"
    [ "$one" = "the master ended: No module named 'brand_new'" ] && [ "$two" = "two serves" ] || same=1
done
exit $same
