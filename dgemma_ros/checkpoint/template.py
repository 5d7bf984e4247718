"""Chat templates as files and as programs: found, compiled in a sandbox, their literal text listed.

They come with a checkpoint and are foreign code. What they may do here is what transformers lets them do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.tokenizer import TOKENIZER_CONFIG_FILE
from dgemma_ros.errors import CheckpointError, TokenizerError
from dgemma_ros.files import MIB, read_text

TEMPLATE_FILE: Final = "chat_template.jinja"
MAX_TEMPLATE_BYTES: Final = MIB


def read_template(folder: Path) -> tuple[Path, str]:
    """The template's file and its source: chat_template.jinja, or chat_template in tokenizer_config.json.

    Raises :class:`TokenizerError` naming file and field.
    """
    file = folder / TEMPLATE_FILE
    if file.exists():
        return file, read_text(file, MAX_TEMPLATE_BYTES, TokenizerError)
    config = folder / TOKENIZER_CONFIG_FILE
    if not config.exists():
        raise TokenizerError(f"{file}: no such file; without a chat template no prompt can be written")
    try:
        template = Section.of_file(config).raw("chat_template", None)
    except CheckpointError as error:
        raise TokenizerError(str(error)) from error
    if isinstance(template, list):  # several by name
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    if not isinstance(template, str):
        raise TokenizerError(f"{config}: chat_template: missing, and there is no {TEMPLATE_FILE} beside it")
    return config, template


class _Generation(Extension):
    """``{% generation %} … {% endgeneration %}`` marks the model's words for training; here its body alone counts."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """A block with a scope of its own, as it has in the reference."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


def environment() -> ImmutableSandboxedEnvironment:
    """A sandbox with the options, filters and globals that transformers gives to templates."""
    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    sandbox.filters["tojson"] = _to_json
    sandbox.globals["raise_exception"] = _raise
    sandbox.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return sandbox


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """As transformers has it: jinja2's own escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def literals(template: nodes.Template) -> Iterator[str]:
    """All text that the template itself can write; what it only compares with is not among it."""
    compared = {id(operand) for compare in template.find_all(nodes.Compare) for operand in _operands(compare)}
    yield from (node.data for node in template.find_all(nodes.TemplateData))
    constants = (node for node in template.find_all(nodes.Const) if id(node) not in compared)
    yield from (node.value for node in constants if isinstance(node.value, str))


def _operands(compare: nodes.Compare) -> list[nodes.Expr]:
    return [compare.expr, *(operand.expr for operand in compare.ops)]


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
