"""``python -m tests.mutants``: draws changes, runs each module's own tests against each, lists what none noticed."""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutants.operators import Mutant, mutants
from tests.mutants.table import TESTS

ROOT = Path(__file__).parents[2]
PATIENCE = 4.0
"""A change that makes the tests take this many times longer, and 20 s, is noticed: something waits for ever."""

LOADED = ("cv2", "jinja2", "jsonschema", "ml_dtypes", "numpy", "onnx", "onnxruntime", "tokenizers", "yaml")


@dataclass(frozen=True)
class Change:
    module: str
    number: int
    mutant: Mutant

    def __str__(self) -> str:
        return f"dgemma_ros/{self.module.replace('.', '/')}.py:{self.mutant.line}: {self.mutant}"


def drawn(modules: list[str], seed: int) -> list[Change]:
    """All changes to ``modules``, shuffled."""
    changes = [
        Change(module, number, mutant)
        for module in modules
        for number, mutant in enumerate(mutants((ROOT / f"dgemma_ros/{module.replace('.', '/')}.py").read_text()))
    ]
    random.Random(seed).shuffle(changes)
    return changes


def run(module: str, number: int, limit: float) -> tuple[int | None, str]:
    """Exit status of the module's tests with change ``number`` (-1: none), or nothing where they took too long.

    They run in a fork of this process, which has loaded what is not ours: that takes longer than most modules' tests.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        child = os.fork()
        if child == 0:
            os._exit(_tested(module, number, said.fileno()))
        end = time.monotonic() + limit
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return None, ""
            time.sleep(0.02)
        said.seek(0)
        return os.waitstatus_to_exitcode(ended[1]), said.read()


def _tested(module: str, number: int, output: int) -> int:
    """In the child: the leader of a group of its own, with whatever its tests start."""
    os.setsid()
    os.chdir(ROOT)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ |= {"MUTANT": f"dgemma_ros.{module}:{number}", "PYTHONPATH": str(ROOT)}
    files = [f"tests/{name}" for name in TESTS[module].split()]
    options = ["-x", "-q", "--no-header", "-p", "tests.mutants.plugin", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    try:
        return int(pytest.main([*options, *files]))
    finally:
        sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="no further change is begun after these")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", nargs="*", default=[""], help="modules whose names begin so: runtime generation.pins")
    options = parser.parse_args()
    modules = [module for module in TESTS if module.startswith(tuple(options.only))]
    for name in LOADED:
        importlib.import_module(name)
    changes, end = drawn(modules, options.seed), time.monotonic() + 60 * options.minutes
    limits: dict[str, float] = {}
    counts, survivors = Counter[str](), []
    for change in changes:
        if time.monotonic() > end:
            break
        if change.module not in limits:
            begun = time.monotonic()
            status, said = run(change.module, -1, 600)
            if status != 0:
                sys.exit(f"without any change the tests of {change.module} end with {status}:\n{said[-3000:]}")
            limits[change.module] = PATIENCE * (time.monotonic() - begun) + 20
        status, _ = run(change.module, change.number, limits[change.module])
        outcome = "survived" if status == 0 else "too slow" if status is None else "noticed"
        counts[outcome] += 1
        if status == 0:
            survivors.append(change)
        print(f"{outcome}: {change}", flush=True)
    print(f"\n{counts.total()} of {len(changes)} changes, seed {options.seed}: {dict(counts)}")
    for change in sorted(survivors, key=lambda one: (one.module, one.mutant.line)):
        print(change)
    return 0


if __name__ == "__main__":
    sys.exit(main())
