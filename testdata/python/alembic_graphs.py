"""Writes random revision graphs and prints, as JSON, what Alembic says of each.

Used by tests/living/alembic_real.rs: python alembic_graphs.py DIRECTORY COUNT
"""
import json
import os
import random
import sys
import warnings

from alembic.script import ScriptDirectory

warnings.simplefilter("ignore")
top, count = sys.argv[1], int(sys.argv[2])
results = []
for number in range(count):
    rng = random.Random(number)
    size = rng.randint(1, 14)
    ids = []
    while len(ids) < size:
        # Some identifiers share a beginning, some are short.
        stem = rng.choice(["", "abcd", "ab12"])
        new = stem + "".join(rng.choice("0123456789abcdef") for _ in range(rng.choice([3, 6, 12])))
        if new not in ids:
            ids.append(new)
    versions = os.path.join(top, str(number), "versions")
    os.makedirs(versions)
    for place, rev in enumerate(ids):
        earlier = ids[:place]
        parents = [] if not earlier or rng.random() < 0.15 else rng.sample(
            earlier, min(len(earlier), rng.choice([1, 1, 1, 1, 2, 3])))
        if rng.random() < 0.02:
            parents = ["feedbeef"]
        if rng.random() < 0.02 and place + 1 < len(ids):
            parents = [rng.choice(ids[place:])]
        down = None if not parents else parents[0] if len(parents) == 1 else tuple(parents)
        depends = None
        if earlier and rng.random() < 0.12:
            depends = rng.choice(earlier)
        typed = rng.random() < 0.5
        with open(os.path.join(versions, f"{rev}_x.py"), "w") as file:
            for name, value in [("revision", rev), ("down_revision", down),
                                ("branch_labels", None), ("depends_on", depends)]:
                file.write(f"{name}{': object' if typed else ''} = {value!r}\n")
            file.write("def upgrade():\n    pass\n")
    script = ScriptDirectory(os.path.join(top, str(number)))
    entry = {"heads": None, "bases": None, "pending": {}, "resolve": {}}
    try:
        entry["heads"] = sorted(script.get_heads())
        entry["bases"] = sorted(script.get_bases())
    except Exception as error:
        entry["error"] = type(error).__name__
    for rev in [""] + ids:
        try:
            steps = script._upgrade_revs("heads", rev or None)
            entry["pending"][rev] = sorted(step.revision.revision for step in steps)
        except Exception:
            entry["pending"][rev] = None
    for rev in ids:
        for length in (2, 4, 5, 8):
            try:
                entry["resolve"][rev[:length]] = script.get_revision(rev[:length]).revision
            except Exception:
                entry["resolve"][rev[:length]] = None
    results.append(entry)
json.dump(results, sys.stdout)
