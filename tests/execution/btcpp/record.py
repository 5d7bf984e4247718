"""Writes down what BehaviorTree.CPP says of the corpus: `python -m tests.execution.btcpp.record [FOLDER]`.

FOLDER is where the library is installed, as cmake's prefix, where cmake does not find it by itself.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.execution.btcpp.checker import Checker
from tests.execution.btcpp.corpus import changed, ours

VERDICTS = Path(__file__).with_name("verdicts.json")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker.build(Path(folder), sys.argv[1] if len(sys.argv) > 1 else "")
        cases = [*ours(), *changed()]
        made = checker.judge([(case.xml, case.nodes) for case in cases])
    trees = [
        {"name": case.name, "xml": case.xml, "nodes": case.nodes, "accepted": one.accepted, "error": one.error}
        for case, one in zip(cases, made, strict=True)
    ]
    told = {"library": f"BehaviorTree.CPP {checker.version}", "trees": trees}
    VERDICTS.write_text(json.dumps(told, indent=1, ensure_ascii=True) + "\n")
    print(f"{checker.version}: {sum(one.accepted for one in made)} of {len(made)} accepted")


if __name__ == "__main__":
    main()
