"""Runs the shell steps of a composite action or of a GitLab job in a directory, as their runners do.

    run_steps.py github|gitlab FILE DIRECTORY [NAME=VALUE...]

Prints one JSON object: exit status, what was printed, outputs, the actions that would be used.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml


def shell(words, script, directory, variables):
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [*words, file.name], cwd=directory, env=os.environ | variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
    return done.returncode, done.stdout


class Action:
    def __init__(self, path, directory, given):
        self.action = yaml.safe_load(open(path))
        self.directory = directory
        declared = self.action["inputs"]
        assert set(given) <= set(declared), set(given) - set(declared)
        self.inputs = {name: given.get(name, entry["default"]) for name, entry in declared.items()}
        self.steps, self.path, self.failed = {}, [], False

    def value(self, name):
        words = name.split(".")
        if words[0] == "inputs":
            return self.inputs[words[1]]
        assert words[0] == "steps" and words[2] == "outputs", name
        return self.steps.get(words[1], {}).get(words[3], "")

    def filled(self, text):
        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: self.value(found[1]), text)

    def holds(self, condition):
        words = condition.removeprefix("${{").removesuffix("}}").strip()
        # Without a word about the steps before, all of them have to have passed.
        passed = "!cancelled()" in words or not self.failed
        words = words.replace("!cancelled()", "True").replace("&&", "and")
        names = r"\b(?:inputs|steps)(?:\.[\w-]+)+"
        return passed and eval(re.sub(names, lambda found: repr(self.value(found[0])), words))

    def run(self, temp):
        files = {name: temp / name for name in ("output", "path", "summary")}
        status, printed, used = 0, "", []
        for step in self.action["runs"]["steps"]:
            if not self.holds(step.get("if", "True")):
                continue
            if "uses" in step:
                used.append({name: self.filled(value) for name, value in step["with"].items()} | {"uses": step["uses"]})
                continue
            for file in files.values():
                file.touch()
            files["output"].write_text("")
            variables = {name: self.filled(value) for name, value in step.get("env", {}).items()}
            variables |= {
                "GITHUB_OUTPUT": str(files["output"]), "GITHUB_PATH": str(files["path"]),
                "GITHUB_STEP_SUMMARY": str(files["summary"]), "RUNNER_TEMP": str(temp),
                "PATH": ":".join([*reversed(files["path"].read_text().split()), os.environ["PATH"]]),
            }
            assert step["shell"] == "bash" and "${{" not in step["run"]
            words = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
            ended, said = shell(words, step["run"], self.directory, variables)
            printed += said
            outputs = [line.split("=", 1) for line in files["output"].read_text().splitlines()]
            self.steps[step.get("id", "")] = dict(outputs)
            if ended:
                self.failed, status = True, status or ended
        outputs = {name: self.filled(entry["value"]) for name, entry in self.action["outputs"].items()}
        return {"status": status, "printed": printed, "outputs": outputs, "used": used,
                "summary": files["summary"].read_text()}


def gitlab(path, directory, given, temp):
    (job,) = (job for job in yaml.safe_load(open(path)).values() if "script" in job)
    assert set(given) <= set(job["variables"])
    variables = job["variables"] | given | {"CI_BUILDS_DIR": str(temp)}
    status, printed = shell(["sh", "-e"], "\n".join(job["script"]), directory, variables)
    reports = {name: (pathlib.Path(directory) / file).read_text() for name, file in job["artifacts"]["reports"].items()
               if (pathlib.Path(directory) / file).exists()}
    return {"status": status, "printed": printed, "reports": reports}


kind, path, directory, *given = sys.argv[1:]
given = dict(word.split("=", 1) for word in given)
with tempfile.TemporaryDirectory() as temp:
    temp = pathlib.Path(temp)
    result = Action(path, directory, given).run(temp) if kind == "github" else gitlab(path, directory, given, temp)
print(json.dumps(result))
