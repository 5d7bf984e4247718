"""``dgemma export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dgemma_ros.console import terminal


class Dtype(StrEnum):
    """In which the graphs bind weights and multiply matrices."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The folder with config.json and weights.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the graphs.")],
    dtype: Annotated[
        Dtype,
        typer.Option("--dtype", help="Type of weights and matrix products; ONNX Runtime's CPU runs float32 only."),
    ] = Dtype.FLOAT32,
) -> None:
    """Write a checkpoint's ONNX graphs; its weights stay where they are."""
    from dgemma_ros.graphs import export as graphs
    from dgemma_ros.graphs.manifest import MANIFEST_FILE

    done: list[str] = []
    with terminal.progress() as update:

        def begun(name: str) -> None:
            done.append(name)
            update(name, len(done), 0)

        graphs.export(checkpoint, out, dtype.value, begun)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    terminal.note(
        f"{out}: {len([n for n in done if n != MANIFEST_FILE])} graphs, {size / 1e6:.1f} MB; "
        f"the weights stay in {checkpoint}"
    )
