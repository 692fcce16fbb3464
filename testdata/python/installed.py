"""Prints, as JSON, what Python's own tools say of the environment that runs this.

Used by tests/living/venv_real.rs: python installed.py REQUIREMENTS_TXT
"""
import importlib.metadata
import json
import os
import re
import sys
import sysconfig

from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
from pip._vendor.packaging.requirements import Requirement

os.chdir(os.path.dirname(sys.argv[1]))


def normalise(name):
    return re.sub(r"[-_.]+", "-", name).lower()


site = sysconfig.get_paths()["purelib"]
installed = {}
for found in importlib.metadata.distributions(path=[site]):
    installed[normalise(found.metadata["Name"])] = found.version


def state(requirement):
    if requirement.marker and not requirement.marker.evaluate():
        return "not applicable"
    version = installed.get(normalise(requirement.name))
    if version is None:
        return "missing"
    return "satisfied" if requirement.specifier.contains(version, prereleases=True) else "wrong"


lines = []
for parsed in parse_requirements(sys.argv[1], session=PipSession()):
    if parsed.is_editable or re.search(r"^[.]|://", parsed.requirement):
        lines.append([parsed.requirement, "location"])
        continue
    requirement = Requirement(parsed.requirement)
    lines.append([normalise(requirement.name), state(requirement)])
json.dump({"installed": installed, "lines": lines}, sys.stdout)
