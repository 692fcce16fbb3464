#!/usr/bin/env bash
# With several servers in a group, nginx goes on answering 502 for up to a second after the application
# is back, although each server has `fail_timeout=0`.
#
# One would guess: `fail_timeout=0`, which gunicorn's own documentation recommends, means that nginx
# asks a server again at once, whatever failed before.
# What happens: that holds for a group of one server, which nginx never leaves out. In a larger group
# nginx compares whole seconds and leaves a server out while no more than `fail_timeout` have passed, so
# with 0 it stays out for the rest of the second in which it failed. Only `max_fails=0` counts no failures.
#
# Seen on 2026-11-30, nginx 1.22.1 of Debian 12 and 1.30.6 of Debian forky, ten gaps of 0.3 s, then a
# request every 10 ms:
#   fail_timeout=0, two servers   502 goes on for up to 907 ms after both are back (1.30.6: 871)
#   fail_timeout=0, one server    no 502 after it is back
#   max_fails=0                   no 502 after they are back
#
#   findings/nginx-fail-timeout-zero.sh
#
# Unpacks Debian's package `nginx` into a temporary folder, which is not installed, and talks over
# loopback. Needs a Debian and Python. Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# Downloads go by an account that may not write here as root does; apt says so and goes on.
apt-get download nginx >/dev/null 2>&1
dpkg-deb -x nginx_*.deb root
root/usr/sbin/nginx -v

cat >gap.py <<'PY'
import http.client, os, socket, subprocess, sys, threading, time

PARAMETERS, COUNT = sys.argv[1], int(sys.argv[2])
FOLDER = os.getcwd()

def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]

PORT, BEHIND = free(), [free() for _ in range(COUNT)]
servers = "".join(f"server 127.0.0.1:{port} {PARAMETERS}; " for port in BEHIND)
open("nginx.conf", "w").write(f"""
daemon off; worker_processes 1; pid {FOLDER}/pid; error_log {FOLDER}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream app {{ {servers} }}
    server {{ listen 127.0.0.1:{PORT}; location / {{ proxy_pass http://app; }} }}
}}
""")

def serve(port, stop):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        listener.settimeout(0.05)
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(2)
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

class Servers:
    def __enter__(self):
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=serve, args=(port, self.stop)) for port in BEHIND]
        for thread in self.threads:
            thread.start()
        time.sleep(0.05)

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

def status():
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status

nginx = subprocess.Popen(["root/usr/sbin/nginx", "-p", FOLDER, "-c", f"{FOLDER}/nginx.conf"],
                         stderr=subprocess.DEVNULL)
try:
    time.sleep(0.5)
    last = []
    for step in range(10):
        # The gap begins at another point of the second each time.
        time.sleep(1.1 + step * 0.083)
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            assert status() == 502
            time.sleep(0.02)
        with Servers():
            back, failed = time.monotonic(), 0.0
            while time.monotonic() < back + 2:
                if status() != 200:
                    failed = time.monotonic() - back
                time.sleep(0.01)
            last.append(round(failed * 1000))
    print(max(last))
finally:
    nginx.terminate()
    nginx.wait()
PY

two=$(python3 gap.py fail_timeout=0 2)
one=$(python3 gap.py fail_timeout=0 1)
never=$(python3 gap.py max_fails=0 2)
echo "fail_timeout=0              502 goes on for up to $two ms after both servers are back"
echo "fail_timeout=0, one server  $one ms"
echo "max_fails=0                 $never ms"
[ "$two" -gt 200 ] && [ "$one" = 0 ] && [ "$never" = 0 ]
