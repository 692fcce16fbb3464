"""Reads JUnit's XML as CI does: `count_junit.py SCHEMA FILE…`; a line of JSON for each file.

SCHEMA is that of Jenkins' xUnit plugin. It is no part of this repository: pytest's own tests bring it in
their source package.
"""

import json
import sys

import junitparser
from lxml import etree

schema = etree.XMLSchema(etree.parse(sys.argv[1]))
for path in sys.argv[2:]:
    try:
        document = etree.parse(path)
    except etree.XMLSyntaxError as error:
        print(json.dumps({"fault": str(error)}))
        continue
    fault = None if schema.validate(document) else str(schema.error_log.last_error)
    counts = {"error": 0, "warning": 0, "info": 0}
    names = []
    skipped = 0
    for suite in junitparser.JUnitXml.fromfile(path):
        for case in suite:
            names.append((case.classname, case.name))
            for result in case.result:
                if isinstance(result, junitparser.Failure):
                    counts[result.type] += 1
                skipped += isinstance(result, junitparser.Skipped)
    twice = len(names) - len(set(names))
    print(json.dumps({"fault": fault, "counts": counts, "twice": twice, "skipped": skipped}))
