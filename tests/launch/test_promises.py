"""docs/promises.md: what it names exists, and every promise has a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py): (test_\w+)`")


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_is_there() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 40
    assert not [(file, name) for file, name in named if name not in functions_of(file)]


def test_every_promise_has_a_test() -> None:
    tables = PAGE.split("## What is not promised")[0]
    promises = [row for row in tables.splitlines() if row.startswith("| ") and "| promised |" not in row]
    assert len(promises) > 20
    assert not [row for row in promises if not NAMED.search(row)]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
