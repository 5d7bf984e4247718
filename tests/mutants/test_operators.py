import ast
from pathlib import Path

import pytest

from tests.mutants.operators import mutants, mutated
from tests.mutants.table import TESTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("def f(a): return a < 1", ["a <= 1", "2"]),
        ("def f(a, b): return a and not b", ["a or not b", "b"]),
        ("def f(a):\n    a += 1\n    return a * a", ["(removed)", "2", "a // a"]),
        ("def f(a):\n    if a:\n        return 1\n    raise ValueError(2)", ["(removed)", "2", "(removed)"]),
        ("def f(a, b):\n    b[a] = -a\n    go(b)", ["(removed)", "a", "(removed)"]),
        ('def f(a: list[int] | None = None) -> int:\n    "Says."\n    c = f"{a + 1}"\n    return len(c)', []),
        ("Pair = tuple[int, int]\nfrom x import y\n@cache(size=3)\nclass A(B): pass", []),
    ],
)
def test_changes(source: str, changes: list[str]) -> None:
    assert [one.after for one in mutants(source)] == changes


@pytest.mark.parametrize("module", TESTS)
def test_every_change_compiles_and_changes_something(module: str) -> None:
    file = ROOT / f"dgemma_ros/{module.replace('.', '/')}.py"
    source = file.read_text()
    found = list(mutants(source))
    assert found and all((ROOT / "tests" / name).exists() for name in TESTS[module].split())
    plain = ast.unparse(ast.parse(source))
    for number in {0, len(found) // 2, len(found) - 1}:
        tree = mutated(source, number)
        compile(tree, str(file), "exec")
        assert ast.unparse(tree) != plain
