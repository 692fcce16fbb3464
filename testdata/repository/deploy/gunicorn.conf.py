bind = "unix:/run/shop/gunicorn.sock"
workers = 3
timeout = 30
graceful_timeout = 30
worker_tmp_dir = "/dev/shm"
