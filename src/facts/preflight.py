# Imports the application as gunicorn's worker does, and says how that went, in one line of JSON.
# Arguments: the working directory, "module" where gunicorn was started with -m, gunicorn's own.
# It listens nowhere: gunicorn opens its sockets in the arbiter, which is not started here.
import json
import os
import sys
import time
import traceback

answer_to = os.dup(1)
nowhere = os.open(os.devnull, os.O_RDWR)
os.dup2(nowhere, 1)
os.dup2(nowhere, 2)


def answer(**words):
    os.write(answer_to, json.dumps(words).encode())
    os._exit(0)  # threads that the application started do not keep this process alive


def failed(stage, error):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("/")]
    own = [f for f in frames if "/site-packages/" not in f.filename and "/lib/python" not in f.filename]
    place = (own or frames or [None])[-1]
    file, line = (place.filename, place.lineno) if place else (None, None)
    if isinstance(error, SyntaxError):
        file, line = error.filename, error.lineno
    answer(stage=stage, kind=type(error).__name__, text=str(error)[:1000], file=file, line=line)


directory, start, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
stage = "directory"
try:
    os.chdir(directory)
    if start != "module" and "" in sys.path:
        sys.path.remove("")
    stage = "gunicorn"
    from gunicorn.app.wsgiapp import WSGIApplication

    class Application(WSGIApplication):
        def do_load_config(self):
            self.load_default_config()
            self.load_config()

    stage = "settings"
    sys.argv = ["gunicorn"] + arguments
    application = Application("%(prog)s [OPTIONS] [APP_MODULE]")
    config = application.cfg
    for path in (config.pythonpath or "").split(","):
        path = os.path.abspath(path)
        if config.pythonpath and path not in sys.path:
            sys.path.insert(0, path)
    os.environ.update(config.env)
    stage = "worker-class"
    config.worker_class
    stage = "import"
    began = time.monotonic()
    application.wsgi()
    answer(stage="done", seconds=time.monotonic() - began)
except BaseException as error:
    failed(stage, error)
