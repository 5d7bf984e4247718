"""``dgemma build``: TensorRT engines for the machine that it runs on."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal

if TYPE_CHECKING:
    from dgemma_ros.finding import Finding
    from dgemma_ros.trt.targets import Target
    from dgemma_ros.verification.verify import Verification


def build(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint, or what `dgemma export` made of one.")],
    target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="A recipe's name (thor, rtx5090, …), or a recipe's file; with --dry-run, `all` is every recipe.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="OUT", help="A new folder; by default, one in the user's cache.")
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option("--layers", min=1, metavar="N", help="Only the first N text layers, for `dgemma verify`."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Build nothing; say what it would cost and what fits. Needs no GPU."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Whether the engines are verified once they are built.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Compile TensorRT engines for a target, on the machine that will run them, and verify them.

    It takes minutes, once. Exit status 1 where the engines were built and compute wrongly.
    """
    from dgemma_ros.errors import CheckpointError

    if not source.is_dir():
        raise CheckpointError(f"{source}: no such folder; give a checkpoint, or what `dgemma export` wrote")
    if dry_run:
        _tell_costs(source, target, layers, as_json)
        return
    made, outcome, unverified = _build(source, target, out, layers, verify)
    if as_json:
        from dgemma_ros.cli.verify import as_object

        told = {"verification": as_object(outcome) if outcome else None, "unverified": unverified or None}
        terminal.emit_json({**made, **told})
    else:
        _tell(made, outcome, unverified)
    if outcome is not None and not outcome.right:
        raise typer.Exit(1)


def _tell_costs(source: Path, target: str, layers: int | None, as_json: bool) -> None:
    from dgemma_ros.cli import costs_view

    costs = costs_view.of_source(source, target, layers)
    if as_json:
        terminal.emit_json({"costs": [costs_view.as_json(cost) for cost in costs]})
    elif target == costs_view.ALL:
        terminal.emit("\n".join([*costs_view.bytes_table(costs), "", *costs_view.table(costs)]))
    else:
        terminal.emit("\n".join(line for cost in costs for line in costs_view.lines(cost)))


def _build(
    source: Path, target: str, out: Path | None, layers: int | None, verify: bool
) -> tuple[dict[str, Any], Verification | None, str]:
    """What was built, how it was verified, and why it was not."""
    from dgemma_ros.trt import builder, compiler, targets

    recipe = targets.load(target)
    place = out or builder.default_out(source, recipe)

    def warn(found: Finding) -> None:
        terminal.note(f"{found.name}: {found}")

    with terminal.progress() as update:
        built = builder.build(source, place, recipe, compiler.TrtCompiler, update, layers, warn)
        made = builder.summary(built)
        if not verify:
            return made, None, "--no-verify"
        return made, *_verified(built, recipe, layers, update)


def _verified(
    built: Path, recipe: Target, layers: int | None, update: terminal.Update
) -> tuple[Verification | None, str]:
    """The engines held to the golden cases, or their first period of layers to ONNX Runtime.

    A whole model without golden cases has none that fits twice: the same engines are built of its first layers, held
    to ONNX Runtime, and removed. What keeps a check from being made is told, and is no failure of the build.
    """
    from dgemma_ros.errors import DgemmaError
    from dgemma_ros.model import described
    from dgemma_ros.trt import builder, compiler
    from dgemma_ros.verification import verify as core

    try:
        if layers is not None or any(core.golden_cases(built)):
            return core.verify(built, on_progress=update), ""
        with TemporaryDirectory(prefix=f".{built.name}.", dir=built.parent) as folder:
            period = core.first_period(described(built)[0])
            excerpt = Path(folder) / "excerpt"
            builder.build(built, excerpt, recipe, compiler.TrtCompiler, update, period)
            return core.verify(excerpt, on_progress=update), ""
    except DgemmaError as error:
        return None, str(error)


def _tell(made: dict[str, Any], outcome: Verification | None, unverified: str) -> None:
    from dgemma_ros.cli.verify import lines

    size = sum(made["engines"].values())
    terminal.note(
        f"{made['out']}: {len(made['engines'])} engines, {size / 1e9:.2f} GB, TensorRT {made['tensorrt']}, experts by "
        f"{made['experts']}, attention by {made['attention']}"
    )
    if outcome is None:
        terminal.note(f"not verified ({unverified}); `dgemma verify --model {made['out']}` does it")
        return
    terminal.emit("\n".join(lines(outcome)))
    if not outcome.right:
        terminal.note(
            "the engines compute wrongly and must not be used: build again with `attention: tensorrt`, then with "
            "`experts: dense` in the recipe to see which part it is, and report it with this output"
        )
