#!/usr/bin/env bash
# gunicorn: a hook behind a decorator that passes everything on keeps gunicorn from starting.
#
# One would guess: a hook is called with its two arguments, and any function that can be called so
# will do: `def post_fork(*args)`, or a hook behind a decorator whose wrapper takes
# `*args, **kwargs`.
# What happens: gunicorn counts the parameters that have a name and a place, at its start and again at
# every HUP. `*args` counts as none, so it says "Value must have an arity of: 2" and ends with
# status 1. With functools.wraps the same wrapper is taken, for the count goes through
# `__wrapped__`; a parameter with a default counts in full, one behind `*` does not.
#
# Seen on 2026-11-30, Python 3.11 on Debian 12; gunicorn 20.1.0, 23.0.0 and 27.0.1 alike:
#   plain ok, star refused, decorated refused, wrapped ok, defaulted refused, keyword-only ok
#
#   findings/gunicorn-counts-a-hooks-arguments.sh
#
# Installs the three versions from PyPI into a temporary folder and asks each to check a
# configuration (`--check-config`); nothing is served.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv pip
echo 'def app(environ, start_response): pass' >application.py

cat >plain.py <<'PY'
def post_fork(server, worker):
    pass
PY
cat >star.py <<'PY'
def post_fork(*args):
    pass
PY
cat >decorated.py <<'PY'
def traced(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

@traced
def post_fork(server, worker):
    pass
PY
sed -e '1i import functools' -e 's/^    def wrapper/    @functools.wraps(function)\n&/' decorated.py >wrapped.py
cat >defaulted.py <<'PY'
def post_fork(server, worker, verbose=False):
    pass
PY
cat >keyword-only.py <<'PY'
def post_fork(server, worker, *, verbose=False):
    pass
PY

expected="plain ok, star refused, decorated refused, wrapped ok, defaulted refused, keyword-only ok"
status=0
for version in 20.1.0 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" "gunicorn==$version" "setuptools<80"
    seen=""
    for hook in plain star decorated wrapped defaulted keyword-only; do
        answer=ok
        PYTHONPATH=$folder/$version python3 -m gunicorn --check-config --config "$hook.py" application:app \
            >"$hook.log" 2>&1 || answer=failed
        if [ "$answer" = failed ] && grep -q 'Value must have an arity of: 2' "$hook.log"; then
            answer=refused
        fi
        seen="$seen${seen:+, }$hook $answer"
    done
    echo "$version: $seen"
    [ "$seen" = "$expected" ] || status=1
done
exit $status
