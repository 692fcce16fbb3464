"""Prints gunicorn's settings for each case read from standard input, one JSON answer a line."""
import contextlib
import io
import json
import os
import sys

case = json.loads(sys.stdin.read())
os.chdir(case["directory"])
for name in ("WEB_CONCURRENCY", "PORT", "FORWARDED_ALLOW_IPS", "GUNICORN_CMD_ARGS"):
    os.environ.pop(name, None)
# A worker whose number of processors is known.
import multiprocessing  # noqa: E402
multiprocessing.cpu_count = lambda: 4
os.cpu_count = lambda: 4
base = dict(os.environ)


def fresh(environment):
    for name in [n for n in sys.modules if n.startswith("gunicorn") or n == "__config__"]:
        del sys.modules[name]
    os.environ.clear()
    os.environ.update(base)
    os.environ.update(environment)
    from gunicorn.app.wsgiapp import WSGIApplication
    return WSGIApplication


def plain(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return "<%s>" % type(value).__name__


path = list(sys.path)
for words, environment in case["cases"]:
    os.chdir(case["directory"])
    sys.path[:] = path
    sys.argv = ["gunicorn"] + words
    answer = {}
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            application = fresh(environment)()
            cfg = application.cfg
            answer["address"] = repr(cfg.address)
        answer["settings"] = {k: plain(s.get()) for k, s in cfg.settings.items()}
        answer["class"] = cfg.worker_class_str
        answer["app"] = application.app_uri
    except SystemExit as error:
        answer = {"exit": error.code}
    except BaseException as error:
        answer = {"exit": 1, "error": repr(error)[:200]}
    print(json.dumps(answer), flush=True)
