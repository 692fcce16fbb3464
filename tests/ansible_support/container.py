"""A connection into a container of the proving ground, by the number of its first process."""

import subprocess

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: container
short_description: a container of the proving ground
description: Enters all namespaces of its first process.
options:
  init:
    description: that process, as numbered outside
    vars: [{name: container_init}]
"""

ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]


class Connection(ConnectionBase):
    transport = "container"
    has_pipelining = False

    def _connect(self):
        self._connected = True
        return self

    def _enter(self, words, data=None):
        init = str(self.get_option("init"))
        command = ["nsenter", "--target", init, "--all", "--", "env", "-i", *ENVIRONMENT, *words]
        # Without input of its own it would wait for that of the test.
        try:
            done = subprocess.run(command, input=data or b"", capture_output=True, timeout=170)
        except subprocess.TimeoutExpired as error:
            raise AnsibleConnectionFailure(f"no end within 170 s: {words}") from error
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._enter(["/bin/sh", "-c", cmd], in_data)

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        with open(in_path, "rb") as source:
            status, _, said = self._enter(["/bin/sh", "-c", 'cat >"$0"', out_path], source.read())
        if status:
            raise AnsibleConnectionFailure(f"{out_path}: {said.decode(errors='replace')}")

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        status, text, said = self._enter(["cat", in_path])
        if status:
            raise AnsibleConnectionFailure(f"{in_path}: {said.decode(errors='replace')}")
        with open(out_path, "wb") as target:
            target.write(text)

    def close(self):
        self._connected = False
