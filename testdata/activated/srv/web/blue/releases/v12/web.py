import os

SECRET_KEY = os.environ["SECRET_KEY"]
MAIL_SERVER = os.environ["MAIL_SERVER"]


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"blue"]
