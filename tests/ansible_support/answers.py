"""Prints what became of each task on each host as one line of JSON, with Ansible's own view of the diff."""

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: answers
type: stdout
short_description: one line of JSON for each task and host
description: One line of JSON for each task and host.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "answers"

    def _tell(self, word, result):
        answer = dict(result._result)
        shown = self._get_diff(answer.get("diff") or [])
        line = {"host": result._host.get_name(), "came_to": word, "shown": shown, "answer": answer}
        self._display.display(json.dumps(line, default=str))

    def v2_runner_on_ok(self, result):
        self._tell("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        changed = result._result.get("changed")
        self._tell("changed and failed" if changed else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._tell("unreachable", result)
