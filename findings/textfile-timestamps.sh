#!/usr/bin/env bash
# promtool passes metrics that node_exporter throws away.
#
# One would guess: what `promtool check metrics` finds no fault with, node_exporter's textfile collector
# takes. Both read the same text format, and promtool is what one checks a file with.
#
# What happens: a file with one timestamp passes promtool and is dropped as a whole, which only
# `node_textfile_scrape_error 1` says. Of a series that is there twice the second is dropped,
# while `node_textfile_scrape_error` stays 0: only the server's own log tells. `x.tmp.prom` is read like any other,
# so writing to such a name first is no protection.
#
# Seen on 2026-11-29 with prometheus 2.42.0 and prometheus-node-exporter 1.5.0 of Debian 12.
#
#   findings/textfile-timestamps.sh
#
# Unpacks the two packages into a temporary folder; the server listens on the loopback address alone.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
exporter=
trap '[ -z "$exporter" ] || kill "$exporter"; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 . && mkdir packages metrics
(
    cd packages
    apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 prometheus-node-exporter=1.5.0-1+b6 \
        >/dev/null 2>&1
    for package in *.deb; do dpkg-deb -x "$package" ..; done
)

port=19117
usr/bin/prometheus-node-exporter --collector.disable-defaults --collector.textfile \
    --collector.textfile.directory="$folder/metrics" --web.listen-address="127.0.0.1:$port" 2>/dev/null &
exporter=$!

scrape() {
    python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$port/metrics').read().decode())"
}
for _ in $(seq 50); do
    if scrape >/dev/null 2>&1; then break; fi
    sleep 0.1
done
passes() {
    usr/bin/promtool check metrics <"$1" >/dev/null 2>&1
}
shows() {
    [[ $(scrape)$'\n' == *$'\n'"$1"$'\n'* ]]
}
expect() {
    "$@" || { echo "otherwise than written here: $*" >&2; exit 1; }
}
head='# HELP some_runs Runs.
# TYPE some_runs gauge
some_runs'

printf '%s 1\n' "$head" >metrics/runs.tmp.prom
expect passes metrics/runs.tmp.prom
expect shows "some_runs 1"
echo "a file that is called .tmp.prom is read"

printf '%s 1 1700000000000\n' "$head" >metrics/runs.tmp.prom
expect passes metrics/runs.tmp.prom
expect shows "node_textfile_scrape_error 1"
echo "a timestamp: promtool passes the file, node_exporter drops it"

printf '%s 1\nsome_runs 2\n' "$head" >metrics/runs.tmp.prom
expect passes metrics/runs.tmp.prom
expect shows "node_textfile_scrape_error 0"
expect shows "some_runs 1"
if shows "some_runs 2"; then
    echo "otherwise than written here: both are there" >&2
    exit 1
fi
echo "a series twice: promtool passes it, node_exporter drops the second and counts no error"
