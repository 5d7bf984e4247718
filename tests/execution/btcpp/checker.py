"""The checker of `checker.cpp`: built where BehaviorTree.CPP is installed, and asked about many trees at once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.execution.btcpp.rules import Nodes

HERE = Path(__file__).parent


class NoLibraryError(Exception):
    """BehaviorTree.CPP, or what builds with it, is not here; the text says what."""


@dataclass(frozen=True)
class Verdict:
    """``calls`` are the skills that ran, with what each read from its ports; ``model`` is the library's own."""

    accepted: bool
    error: str
    calls: list[Any]
    model: str


@dataclass(frozen=True)
class Checker:
    program: Path
    version: str = ""

    @classmethod
    def build(cls, folder: Path, prefix: str = "") -> Checker:
        """Builds it in ``folder``. Raises :class:`NoLibraryError`."""
        cmake = shutil.which("cmake")
        if cmake is None or shutil.which("c++") is None:
            raise NoLibraryError("cmake or a C++ compiler is not installed")
        configure = [cmake, "-S", str(HERE), "-B", str(folder), f"-DCMAKE_PREFIX_PATH={prefix}"]
        found = subprocess.run(configure, capture_output=True, text=True, check=False)
        if found.returncode:
            if "behaviortree_cpp" in found.stderr:
                raise NoLibraryError("BehaviorTree.CPP 4 (behaviortree_cpp) is not installed")
            raise AssertionError(found.stderr)
        subprocess.run([cmake, "--build", str(folder)], capture_output=True, text=True, check=True)
        checker = cls(folder / "checker")
        return cls(checker.program, checker._ask([])[0]["version"])

    def judge(self, trees: Sequence[tuple[str, Nodes]]) -> list[Verdict]:
        """What the library makes of each."""
        _, *answers = self._ask([{"xml": xml, "nodes": nodes} for xml, nodes in trees])
        assert len(answers) == len(trees)
        return [Verdict(**answer) for answer in answers]

    def _ask(self, questions: Sequence[Any]) -> list[Any]:
        given = "".join(json.dumps(question) + "\n" for question in questions)
        done = subprocess.run([str(self.program)], input=given, capture_output=True, text=True, timeout=60, check=True)
        return [json.loads(line) for line in done.stdout.split("\n") if line]
