"""``python -m tests.mutants``: draws changes, runs each module's own tests against each, lists what none noticed."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.operators import Mutant, mutants
from tests.mutants.table import TESTS

ROOT = Path(__file__).parents[2]
PATIENCE = 4.0
"""A change that makes the tests take this many times longer, and 20 s, is noticed: something waits for ever."""


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
    """Exit status of the module's tests with change ``number`` (-1: none), or nothing where they took too long."""
    files = [f"tests/{name}" for name in TESTS[module].split()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "tests.mutants.plugin"]
    command += ["-p", "no:cacheprovider", "--hypothesis-seed=0", *files]
    environment = os.environ | {"MUTANT": f"dgemma_ros.{module}:{number}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            said, _ = child.communicate(timeout=limit)
            return child.returncode, said
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return None, ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="no further change is begun after these")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", nargs="*", default=[""], help="modules whose names begin so: runtime generation.pins")
    options = parser.parse_args()
    modules = [module for module in TESTS if module.startswith(tuple(options.only))]
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
