# Imports the application as gunicorn's worker does, and says how that went, in one line of JSON;
# where it has Flask-Migrate or is Django's, a second line tells what the database has applied.
# Arguments: the working directory, "module" where gunicorn was started with -m, gunicorn's own.
# It listens nowhere: gunicorn opens its sockets in the arbiter, which is not started here.
import json
import os
import signal
import sys
import time
import traceback

answer_to = os.dup(1)
nowhere = os.open(os.devnull, os.O_RDWR)
os.dup2(nowhere, 1)
os.dup2(nowhere, 2)


def say(**words):
    os.write(answer_to, json.dumps(words).encode() + b"\n")


def answer(**words):
    say(**words)
    os._exit(0)  # threads that the application started do not keep this process alive


def failed(stage, error):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("/")]
    own = [f for f in frames if "/site-packages/" not in f.filename and "/lib/python" not in f.filename]
    place = (own or frames or [None])[-1]
    file, line = (place.filename, place.lineno) if place else (None, None)
    if isinstance(error, SyntaxError):
        file, line = error.filename, error.lineno
    answer(stage=stage, kind=type(error).__name__, text=str(error)[:1000], file=file, line=line)


def flask_application(application):
    # Middleware keeps what it wraps under one of these names.
    for _ in range(10):
        if isinstance(getattr(application, "extensions", None), dict):
            return application
        inner = (getattr(application, name, None) for name in ("app", "application", "wsgi_app"))
        application = next((one for one in inner if callable(one)), None)
    return None


def sqlite_file(extension):
    # To connect would make an empty file where there is none.
    url = extension.db.engine.url
    name = url.database if url.get_backend_name() == "sqlite" else None
    return name if name and name != ":memory:" and not name.startswith("file:") else None


def revisions(application):
    # What `flask db current` runs: the application's own migrations/env.py, with a function that
    # takes the revisions down and applies nothing; dont_mutate makes no alembic_version either.
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    extension = application.extensions["migrate"]
    with application.app_context():
        file = sqlite_file(extension)
        if file and not os.path.exists(file):
            return dict(failed="the SQLite file does not exist")
        config = extension.migrate.get_config()
        script = ScriptDirectory.from_config(config)
        seen = []

        def note(revision, context):
            heads = revision if isinstance(revision, tuple) else (revision,)
            seen.append(sorted(head for head in heads if head))
            return []

        with EnvironmentContext(config, script, fn=note, dont_mutate=True):
            script.run_env()
    if not seen:
        return dict(failed="migrations/env.py asked no database")
    if any(one != seen[0] for one in seen):
        return dict(failed="several databases are at different revisions")
    return dict(revisions=seen[0])


def is_django():
    # Set up by what was imported, and by nothing here.
    registry = sys.modules.get("django.apps")
    return registry is not None and registry.apps.ready


def plan():
    # What `manage.py showmigrations --plan` prints: it reads django_migrations, and makes no table.
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    name = str(connection.settings_dict["NAME"])
    file = connection.vendor == "sqlite" and name != ":memory:" and not name.startswith("file:")
    # To connect would make an empty file where there is none.
    if file and not os.path.exists(name):
        return dict(failed="the SQLite file does not exist")
    loader = MigrationLoader(connection)
    order = {}
    for leaf in loader.graph.leaf_nodes():
        order.update(dict.fromkeys(loader.graph.forwards_plan(leaf)))
    applied = loader.applied_migrations
    found = [[key in applied, *key] for key in order]
    # Applied, and in no file: the database is ahead of this code, if it came after all that is in a
    # file. Older ones were squashed, and their files deleted.
    newest = {}
    for app, name in loader.disk_migrations:
        at = getattr(applied.get((app, name)), "applied", None)
        if at is not None:
            newest[app] = max(newest.get(app, at), at)
    for key, row in applied.items():
        at = getattr(row, "applied", None)
        if key not in loader.disk_migrations and key[0] in newest and at is not None:
            if at > newest[key[0]]:
                found.append([True, *key])
    return dict(plan=found)


def ask_database(application, seconds):
    application = flask_application(application)
    flask = application is not None and "migrate" in application.extensions
    if not flask and not is_django():
        return dict(failed="the imported application has no Flask-Migrate")
    # Whatever hangs ends with this process; what was said before stands.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return revisions(application) if flask else plan()
    except BaseException as error:
        return dict(error=type(error).__name__)


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
    imported = application.wsgi()
    took = time.monotonic() - began
except BaseException as error:
    failed(stage, error)
say(stage="done", seconds=took)
answer(**ask_database(imported, max(1.0, min(10.0, 25.0 - took))))
