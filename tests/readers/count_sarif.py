"""Reads SARIF with sarif-tools: `count_sarif.py FILE…`; a line of JSON for each file."""

import json
import sys

from sarif import loader

for path in sys.argv[1:]:
    report = loader.load_sarif_file(path).get_report()
    counts = report.get_issue_count_for_severity
    print(json.dumps({level: counts(level) for level in ("error", "warning", "note")}))
