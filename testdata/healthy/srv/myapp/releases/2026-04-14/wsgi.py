"""What gunicorn imports: `gunicorn wsgi:app`."""

import os

from flask import Flask

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]


@app.get("/")
def index():
    return {"release": "2026-04-14"}


@app.get("/health")
def health():
    return {"ok": True}
