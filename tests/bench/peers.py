"""`python peers.py NAME VIEW.json FILE.ndjson OUT.json`: one view by another engine, in its own venv.

Prints the CPU seconds that reading, evaluating and writing took, without the imports.
"""

import json
import resource
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    name, view, source, out = sys.argv[1:]
    engine = {"sqlonfhir": by_sqlonfhir, "pysof": by_pysof}[name]
    evaluate = engine()
    begun = cpu()
    told = json.loads(Path(view).read_text())
    rows = evaluate(told, Path(source))
    Path(out).write_text(json.dumps(rows, default=float))
    sys.stdout.write(f"{cpu() - begun}\n")


def by_sqlonfhir():
    evaluate = import_module("sqlonfhir.sqlonfhir").eval

    def run(view, source):
        return evaluate([json.loads(line) for line in source.open()], view)

    return run


def by_pysof():
    pysof = import_module("pysof")

    def run(view, source):
        entries = [{"resource": json.loads(line)} for line in source.open()]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return json.loads(pysof.run_view_definition(view, bundle, "json"))

    return run


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
