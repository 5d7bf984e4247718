"""``dgemma build``: TensorRT engines for the machine that it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal


def build(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint, or what `dgemma export` made of one.")],
    target: Annotated[
        str, typer.Option("--target", metavar="TARGET", help="A recipe's name (thor, rtx5090, …), or a recipe's file.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="OUT", help="A new folder; by default, one in the user's cache.")
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option("--layers", min=1, metavar="N", help="Only the first N text layers, for `dgemma verify`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile TensorRT engines for a target, on the machine that will run them. It takes minutes, once."""
    from dgemma_ros.errors import CheckpointError
    from dgemma_ros.trt import builder, compiler, targets

    recipe = targets.load(target)
    if not source.is_dir():
        raise CheckpointError(f"{source}: no such folder; give a checkpoint, or what `dgemma export` wrote")
    place = out or builder.default_out(source, recipe)
    with terminal.progress() as update:
        built = builder.build(source, place, recipe, compiler.TrtCompiler, update, layers)
    made = builder.summary(built)
    if as_json:
        terminal.emit_json(made)
        return
    size = sum(made["engines"].values())
    terminal.note(
        f"{built}: {len(made['engines'])} engines, {size / 1e9:.1f} GB, TensorRT {made['tensorrt']}; "
        f"check them with `dgemma verify --model {built}`"
    )
