"""The application of the proving ground: says which release answers, and can be slow."""

import os
import time

from flask import Flask, request

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]


@app.route("/", methods=["GET", "POST"])
def index():
    # An upload that nobody reads is a connection that the kernel resets behind the answer.
    request.get_data()
    return {"release": "RELEASE"}


@app.get("/slow/<float:seconds>")
def slow(seconds):
    time.sleep(seconds)
    return {"release": "RELEASE"}


@app.get("/long/<float:seconds>")
def long(seconds):
    """An answer of 10,000 bytes that takes its time."""

    def parts():
        for _ in range(10):
            yield b"x" * 1000
            time.sleep(seconds / 10)

    return app.response_class(parts(), headers={"Content-Length": "10000"})


@app.get("/seen")
def seen():
    """What the application knows of the request, behind the proxy."""
    return {"host": request.host, "headers": dict(request.headers)}


@app.get("/environment/<name>")
def environment(name):
    return os.environ.get(name, "(not set)")


@app.post("/login")
def login():
    return request.form["the-name-of-a-field"]
