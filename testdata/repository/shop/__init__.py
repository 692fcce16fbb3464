import os

from flask import Flask

SECRET_KEY = os.environ["SECRET_KEY"]


def create_app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = SECRET_KEY
    return app
