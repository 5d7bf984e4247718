"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgemma_ros.console import terminal

if TYPE_CHECKING:
    from dgemma_ros.model import Model


class Device(StrEnum):
    """Where the graphs run."""

    CPU = "cpu"
    CUDA = "cuda"


def _folder(text: str) -> Path:
    """An empty name is no name: it is not the current folder."""
    if not text.strip():
        raise typer.BadParameter("is empty; give a model's folder")
    return Path(text)


def named_file(text: str) -> Path:
    """The same for a file."""
    if not text.strip():
        raise typer.BadParameter("is empty; give a file")
    return Path(text)


ModelFolder = Annotated[
    Path,
    typer.Option(
        "--model",
        metavar="MODEL",
        parser=_folder,
        help="A checkpoint's folder, or what `dgemma export` made of one.",
    ),
]
DeviceChoice = Annotated[Device, typer.Option("--device", help="Where the graphs run.")]
Threads = Annotated[int, typer.Option("--threads", min=0, metavar="N", help="Threads on the CPU; 0 takes one a core.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]


def open_model(folder: Path, device: Device, threads: int, update: terminal.Update) -> Model:
    """The model in ``folder``; a bare checkpoint is exported to the user's cache first."""
    from dgemma_ros import model

    update(f"opening {folder}", 0, 0)
    return model.open_model(
        folder, device.value, threads, on_progress=lambda name: update(f"writing {name} to the cache", 0, 0)
    )
