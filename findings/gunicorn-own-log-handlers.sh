#!/usr/bin/env bash
# A logging configuration that is valid for Python's logging.config keeps gunicorn from starting,
# because gunicorn lays it over its own, key by key, one level deep.
#
# One would guess: `logconfig_dict` takes what `logging.config.dictConfig` takes, as its
# documentation says, so a dictionary with one handler and one logger is enough.
# What happens: gunicorn's defaults have a root logger with a handler "console" and two loggers with
# "console" and "error_console". `handlers` of one's own replaces all of gunicorn's handlers, and the
# root logger of the defaults, which stays, then names one that is gone: RuntimeError, exit status 1.
# With `root` (and, where one has no `loggers`, those too) it starts. logconfig_json is laid over the
# same way.
#
# Seen on 2026-11-29, Python 3.11 on Debian 12, gunicorn 20.1.0, 23.0.0 and 27.0.1:
#   20.1.0 23.0.0 27.0.1: dictConfig takes it, gunicorn "Unable to configure root logger", exit 1;
#   with a root logger of its own: gunicorn starts
#
#   findings/gunicorn-own-log-handlers.sh
#
# Installs three versions of gunicorn from PyPI into a temporary folder. Exit status 0: as written
# here. 1: something else was seen.
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
cat >lone.py <<'PY'
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"plain": {"class": "logging.StreamHandler"}},
    "loggers": {"gunicorn.error": {"handlers": ["plain"], "level": "INFO"}},
}
PY
sed 's/"loggers"/"root": {"handlers": ["plain"]}, "loggers"/' lone.py >rooted.py

# Python itself takes both.
for file in lone rooted; do
    python3 -c "import logging.config, $file; logging.config.dictConfig($file.logconfig_dict)"
done

# how VERSION FILE: "starts", or "exit STATUS: the last line".
how() {
    local master status=0
    rm -f app.sock
    PYTHONPATH=$folder/$1:$folder python3 -m gunicorn --config "$2" --bind unix:app.sock \
        application:app >gunicorn.log 2>&1 &
    master=$!
    for _ in {1..100}; do
        [ -S app.sock ] && break
        kill -0 "$master" 2>/dev/null || break
        sleep 0.1
    done
    if [ -S app.sock ]; then
        kill "$master"
        wait "$master" || true
        echo starts
    else
        wait "$master" || status=$?
        echo "exit $status: $(grep -o 'Unable to configure root logger' gunicorn.log | tail -n 1)"
    fi
}

same=0
for version in 20.1.0 23.0.0 27.0.1; do
    pip/bin/pip install --quiet --disable-pip-version-check --target "$version" \
        "gunicorn==$version" setuptools==75.8.0
    lone=$(how "$version" lone.py)
    rooted=$(how "$version" rooted.py)
    echo "gunicorn $version: handlers alone: $lone; with a root logger: $rooted"
    [ "$lone" = "exit 1: Unable to configure root logger" ] && [ "$rooted" = starts ] || same=1
done
exit $same
