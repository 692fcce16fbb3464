"""A hundred faults in twenty files: ten applications, each with its unit and its site."""

import shutil
import statistics
import subprocess
import time

APPLICATIONS = 10

# Ten findings for each application: U101, U107, U109, U110, U113, G201, G204, N303, N306, N307.
UNIT = """[Unit]
Description=Gunicorn for {name}

[Service]
Type=notify
NotifyAccess=main
User=www-data
Group=www-data
RuntimeDirectory={name}
WorkingDirectory=/srv/myapp/current
EnvironmentFile=/etc/myapp.env
ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 1 --reload \\
    --bind unix:/run/{name}/gunicorn.sock wsgi:app
KillMode=none
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""
SITE = """upstream {name} {{
    # two names for one socket
    server unix:/run/{name}/gunicorn.sock;
    server unix:/run/{name}/gunicorn.sock backup;
}}

server {{
    listen 80;
    server_name {name}.example.com;

    location / {{
        proxy_pass http://{name};
        proxy_read_timeout 10s;
    }}
}}
"""


def tree(healthy, place):
    """Made once. Returns how many findings and files there are."""
    if not place.exists():
        shutil.copytree(healthy, place, symlinks=True)
        (place / "etc/myapp.env").chmod(0o640)
        units = place / "etc/systemd/system"
        (units / "myapp.service").unlink()
        shutil.rmtree(units / "multi-user.target.wants")
        (units / "multi-user.target.wants").mkdir()
        (place / "etc/nginx/sites-enabled/myapp").unlink()
        for number in range(APPLICATIONS):
            name = f"app{number}"
            (units / f"{name}.service").write_text(UNIT.format(name=name))
            link = units / "multi-user.target.wants" / f"{name}.service"
            link.symlink_to(f"../{name}.service")
            (place / "etc/nginx/sites-available" / name).write_text(SITE.format(name=name))
            link = place / "etc/nginx/sites-enabled" / name
            link.symlink_to(f"../sites-available/{name}")
    return place


def applied(program, wrong, work, runs):
    """Median time in ms of `fix --apply` on fresh copies, and what the last one said."""
    times = []
    for _ in range(runs + 1):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(wrong, work, symlinks=True)
        command = [program, "fix", "--root", str(work), "--apply", "--unsafe"]
        start = time.perf_counter()
        ran = subprocess.run(command, capture_output=True, text=True)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[1:]), ran
