"""What commands write: results to stdout, everything else (progress, drafts, notes, errors) to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import typer

from dgemma_ros.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

_KEPT_CONTROLS: Final = "\n\t"
_PIPE_CLOSED: Final = 128 + 13  # as a shell shows a process that SIGPIPE ended


def console(stderr: bool = True) -> Console:
    """A rich console that prints text as it is."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def emit(text: str) -> None:
    """Writes a command's result to stdout. A reader who has gone away ends the command quietly.

    Raises :class:`OutputError` where there is no stdout, and :class:`OSError` where the disk behind it is full.
    """
    if sys.stdout is None:
        raise OutputError("stdout is closed, so the result cannot be written")
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except UnicodeEncodeError:  # a terminal with a small alphabet
        emit(text.encode("ascii", "backslashreplace").decode())
    except BrokenPipeError:
        abandon_stdout()
        raise typer.Exit(_PIPE_CLOSED) from None


def abandon_stdout() -> None:
    """Nothing more is written there: Python flushes it once more at its end, and would complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_json(value: Mapping[str, Any]) -> None:
    """Writes one JSON object to stdout."""
    emit(json.dumps(value, allow_nan=False))


def note(text: str) -> None:
    """One line on stderr."""
    print(f"dgemma: {' '.join(clean(text).split())}", file=sys.stderr)


def clean(text: str) -> str:
    """``text`` without control characters: a model's words or a file's name must not steer a terminal."""
    return "".join(c if c.isprintable() or c in _KEPT_CONTROLS else "\N{REPLACEMENT CHARACTER}" for c in text)


Update = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and how far it goes (0 for unknown)."""


@contextmanager
def progress() -> Iterator[Update]:
    """A progress bar on stderr, where that is a terminal; it goes away when the work is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def update(what: str, done: int, total: int) -> None:
            bar.update(task, description=clean(what), completed=done, total=total or None)

        yield update
