TITLE = {"shop": "Shop"}


def index():
    return f"Welcome to {TITLE["shop"]}".encode()
