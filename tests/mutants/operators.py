"""The changes: one at a time, to a module's syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
STATEMENTS = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Break, ast.Continue, ast.Return)


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, what stood there and what stands there now."""

    line: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}  ->  {self.after}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every change to a module, in the order of its text, the same on every call."""
    for node, replacement in _changes(ast.parse(source)):
        after = "(removed)" if isinstance(replacement, ast.Pass) else ast.unparse(replacement)
        yield Mutant(node.lineno, _short(ast.unparse(node)), _short(after))


def mutated(source: str, number: int) -> ast.Module:
    """The module with its change of that number."""
    tree = ast.parse(source)
    node, replacement = list(_changes(tree))[number]
    _replace(tree, node, replacement)
    return ast.fix_missing_locations(tree)


Node = ast.expr | ast.stmt


def _changes(tree: ast.Module) -> Iterator[tuple[Node, Node]]:
    for statement in tree.body:
        yield from _in_statement(statement, frozenset())


def _in_statement(node: ast.stmt, bound: frozenset[str], last: bool = False) -> Iterator[tuple[Node, Node]]:
    """``bound``: names that have a value before this statement; ``last``: it is the last of a function.

    An assignment that first gives a value, or a function's only result, is not left out: any test would notice.
    """
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node) or _is_typing(node):
        return
    if isinstance(node, STATEMENTS) and _removable(node, bound, last):
        yield node, ast.copy_location(ast.Pass(), node)
    if isinstance(node, ast.Raise):
        return
    if isinstance(node, ast.FunctionDef):
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        bound = frozenset(argument.arg for argument in arguments)
    for _, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.stmt):
                yield from _in_statement(child, bound, isinstance(node, ast.FunctionDef) and child is node.body[-1])
                bound |= _assigned(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from _in_statement(inner, bound)
            elif isinstance(child, ast.AST) and not _skipped(node, child):
                yield from _in_expression(child)


def _in_expression(node: ast.AST) -> Iterator[tuple[Node, Node]]:
    if isinstance(node, ast.JoinedStr):
        return
    if isinstance(node, ast.expr) and (replacement := _replacement(node)) is not None:
        yield node, ast.copy_location(replacement, node)
    for child in ast.iter_child_nodes(node):
        if not isinstance(node, ast.arg):
            yield from _in_expression(child)


def _replacement(node: ast.expr) -> ast.expr | None:
    """The change of an expression's own, without its parts."""
    new = copy.copy(node)
    if isinstance(new, ast.Compare) and type(new.ops[0]) in COMPARISONS:
        new.ops = [COMPARISONS[type(new.ops[0])](), *new.ops[1:]]
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
    elif (
        isinstance(new, ast.BinOp) and type(new.op) in ARITHMETIC and not isinstance(getattr(new.left, "value", 0), str)
    ):
        new.op = ARITHMETIC[type(new.op)]()
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not | ast.Invert | ast.USub):
        return new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool):
        new.value = not new.value
    elif isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        new.value = new.value + 1
    elif isinstance(new, ast.IfExp):
        new.body, new.orelse = new.orelse, new.body
    else:
        return None
    return new


def _removable(node: ast.stmt, bound: frozenset[str], last: bool) -> bool:
    if isinstance(node, ast.Assign):
        return _assigned(node) <= bound
    if isinstance(node, ast.Return):
        return (
            not last
            and node.value is not None
            and not (isinstance(node.value, ast.Constant) and node.value.value is None)
        )
    return True


def _assigned(node: ast.stmt) -> frozenset[str]:
    return frozenset(
        name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    )


def _skipped(parent: ast.AST, child: ast.AST) -> bool:
    """Decorators, annotations and base classes say nothing about what is computed."""
    if isinstance(parent, ast.FunctionDef | ast.ClassDef):
        return (
            child in parent.decorator_list
            or child is getattr(parent, "returns", None)
            or not isinstance(child, ast.arguments)
        )
    return isinstance(parent, ast.AnnAssign) and child is parent.annotation


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_typing(node: ast.stmt) -> bool:
    """Names of types, as ``Array = NDArray[Any]``, and what only type checkers read."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    value = getattr(node, "value", None)
    if not isinstance(node, ast.Assign) or not isinstance(value, ast.Subscript | ast.BinOp):
        return False
    target = ast.unparse(node.targets[0])
    return target[:1].isupper() and not target.isupper()


def _replace(tree: ast.Module, old: Node, new: Node) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list):
                for index, child in enumerate(value):
                    if child is old:
                        value[index] = new
                        return


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else line[:87] + "..."
