#!/usr/bin/env bash
# gunicorn: SCRIPT_NAME is cut off the path as text, not as a path.
#
# One would guess: with `SCRIPT_NAME=/shop` in its environment gunicorn serves /shop and what is below it, and has
# nothing for other paths, as mount points of WSGI servers and frameworks do.
# What happens: /shopping is served, too, as SCRIPT_NAME /shop and PATH_INFO "ping", which has no slash at its
# start and is no path of WSGI. Any other path is 500 before the application sees it. gunicorn 20.1 cuts behind the
# first place where the text is found: /a/shop/b is PATH_INFO "/b" there, and later versions answer 500.
#
# Seen on 2026-11-30, Python 3.11 on Debian 12:
#   20.1.0: /shop/x "/x", /shopping "ping", /other 500, /a/shop/b "/b"
#   23.0.0: /shop/x "/x", /shopping "ping", /other 500, /a/shop/b 500
#   27.0.1: as 23.0.0
#
#   findings/gunicorn-script-name-is-a-text-prefix.sh
#
# Installs the three versions from PyPI into a temporary folder and talks to each over loopback.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip
cat >application.py <<'PY'
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
PY
cat >ask.py <<'PY'
import http.client, os, socket, subprocess, sys, time

with socket.socket() as one:
    one.bind(("127.0.0.1", 0))
    port = one.getsockname()[1]
command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "application:app"]
gunicorn = subprocess.Popen(command, env={**os.environ, "SCRIPT_NAME": "/shop"}, stderr=subprocess.DEVNULL)

def ask(path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return f'"{body}"' if answer.status == 200 else answer.status

try:
    for _ in range(200):
        try:
            ask("/shop/")
            break
        except OSError:
            time.sleep(0.05)
    print(", ".join(f"{path} {ask(path)}" for path in ["/shop/x", "/shopping", "/other", "/a/shop/b"]))
finally:
    gunicorn.terminate()
    gunicorn.wait()
PY

status=0
for version in 20.1.0 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" "gunicorn==$version" "setuptools<80"
    seen=$(PYTHONPATH=$folder/$version python3 ask.py)
    echo "$version: $seen"
    expected='/shop/x "/x", /shopping "ping", /other 500, /a/shop/b 500'
    [ "$version" != 20.1.0 ] || expected='/shop/x "/x", /shopping "ping", /other 500, /a/shop/b "/b"'
    [ "$seen" = "$expected" ] || status=1
done
exit $status
