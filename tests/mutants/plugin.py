"""A pytest plugin: the module of MUTANT (``dotted.module:number``) is imported with that change; ``:-1``: unchanged."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.mutants.operators import mutated

NEVER_IMPORTED = 42
"""Status of a run whose tests did not even import the module: it says nothing."""
MODULE, _, NUMBER = os.environ["MUTANT"].rpartition(":")


class Loader(importlib.machinery.SourceFileLoader):
    used = False

    def get_code(self, fullname: str) -> CodeType | None:
        Loader.used = True
        source = Path(self.path).read_text()
        number = int(NUMBER)
        tree = mutated(source, number) if number >= 0 else ast.parse(source)
        return compile(tree, self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=Loader(fullname, spec.origin))


assert MODULE not in sys.modules, f"{MODULE} was imported before the change could be put in"
sys.meta_path.insert(0, Finder())


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not Loader.used:
        session.exitstatus = NEVER_IMPORTED
