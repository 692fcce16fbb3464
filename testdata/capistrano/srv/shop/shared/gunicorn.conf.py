import os

bind = ["127.0.0.1:8001", "127.0.0.1:8002"]
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
preload_app = True
timeout = 90
graceful_timeout = 30
