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

VERDICTS = Path(__file__).with_name("verdicts.jsonl")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker.build(Path(folder), sys.argv[1] if len(sys.argv) > 1 else "")
        cases = [*ours(), *changed()]
        made = checker.judge([(case.xml, case.nodes) for case in cases])
    lines = [json.dumps({"library": f"BehaviorTree.CPP {checker.version}"})]
    lines += [
        json.dumps(
            {"name": case.name, "accepted": one.accepted, "error": one.error, "xml": case.xml, "nodes": case.nodes}
        )
        for case, one in zip(cases, made, strict=True)
    ]
    VERDICTS.write_text("\n".join(lines) + "\n")
    print(f"{checker.version}: {sum(one.accepted for one in made)} of {len(made)} accepted")


if __name__ == "__main__":
    main()
