import os

from views import index

SECRET_KEY = os.environ["SECRET_KEY"]
DATABASE_URL = os.environ["DATABASE_URL"]


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [index()]
