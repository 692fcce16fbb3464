#!/usr/bin/env bash
# gunicorn: a file to watch that does not exist keeps it from starting, also where nothing is watched.
#
# One would guess: `reload_extra_files` is read with `--reload` alone, which production leaves out, and a path in
# it that is not there is waited for, as watchers of files do.
# What happens: every start and every HUP looks at each path of the list and ends with status 1 where one is not
# there, with or without `--reload`; a relative one is looked for in the directory in which gunicorn was started,
# not in that of `chdir`.
#
# Seen on 2026-11-30, Python 3.11 on Debian 12; gunicorn 20.1.0, 23.0.0 and 27.0.1 alike:
#   there ok, missing refused, below-chdir refused
#
#   findings/gunicorn-files-to-watch-must-exist.sh
#
# Installs the three versions from PyPI into a temporary folder and asks each to check a
# configuration (`--check-config`); nothing is served.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip
mkdir site
echo 'def app(environ, start_response): pass' >application.py
cp application.py site/
touch watched.yaml site/beside.yaml
echo 'reload_extra_files = ["watched.yaml"]' >there.py
echo 'reload_extra_files = ["nowhere.yaml"]' >missing.py
printf 'chdir = "%s/site"\nreload_extra_files = ["beside.yaml"]\n' "$folder" >below-chdir.py

expected="there ok, missing refused, below-chdir refused"
status=0
for version in 20.1.0 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" "gunicorn==$version" "setuptools<80"
    seen=""
    for which in there missing below-chdir; do
        answer=ok
        PYTHONPATH=$folder/$version python3 -m gunicorn --check-config --config "$which.py" application:app \
            >"$which.log" 2>&1 || answer=failed
        if [ "$answer" = failed ] && grep -q 'does not exist' "$which.log"; then
            answer=refused
        fi
        seen="$seen${seen:+, }$which $answer"
    done
    echo "$version: $seen"
    [ "$seen" = "$expected" ] || { status=1; cat missing.log below-chdir.log | tail -4; }
done
exit $status
