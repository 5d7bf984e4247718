"""``dgemma replay-plan``: a past plan made again from a planner's journal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dgemma_ros.cli.options import Device, Json, open_model
from dgemma_ros.cli.plan import report
from dgemma_ros.console import terminal

if TYPE_CHECKING:
    from dgemma_ros.planning.replay import Replayed

DIFFERS: Final = 1


def replay_plan(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="The file that the parameter journal names.")],
    plan_id: Annotated[str, typer.Argument(metavar="PLAN_ID", help="As `dgemma journal JOURNAL` lists it.")],
    without: Annotated[
        list[int] | None,
        typer.Option("--without", metavar="SEGMENT", help="What it would have been without it; may be repeated."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="MODEL", help="The model's folder; default, the one that the journal names."),
    ] = None,
    device: Annotated[Device | None, typer.Option("--device", help="Default, as the planner had it.")] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=0, metavar="N", help="Default, as the planner had it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a past plan again, bit by bit, from a journal. Ends with status 1 where it comes out otherwise.

    The same backend and number of threads are needed for that. With `--without` it is made from the segments read anew,
    those left out, and next to that with none left out, as reading anew may make a difference by itself.
    """
    from dgemma_ros.journal.archive import Archive
    from dgemma_ros.planning.replay import Replayer

    with closing(Archive(journal)) as archive:
        about = archive.about()
        folder = model or Path(about.get("folder", ""))
        chosen = device or (Device.CUDA if about.get("device") == Device.CUDA else Device.CPU)
        told = about.get("threads", "")
        count = threads if threads is not None else int(told) if told.isdecimal() and len(told) < 5 else 0
        with terminal.progress() as update:
            opened = open_model(folder, chosen, count, update)
            replayer = Replayer(archive, opened)
            update(f"making plan {plan_id} again", 0, 0)
            made = replayer.anew(plan_id, without) if without else replayer.again(plan_id)
            whole = replayer.anew(plan_id) if without else None
    if as_json:
        shown = _told(made) | {"without": without or []}
        terminal.emit_json(shown | ({} if whole is None else {"read_anew": _told(whole)}))
    else:
        _show(made, whole, without or [])
    if not (without or made.equal):
        raise typer.Exit(DIFFERS)


def _told(made: Replayed) -> dict[str, Any]:
    return {
        "equal": made.equal,
        "differences": list(made.differences),
        "plan": report(made.made),
        "recorded": {name: made.recorded.get(name) for name in ("status", "valid", "steps", "text", "error")},
        "backend": made.backend,
        "recorded_backend": made.recorded_backend,
    }


def _show(made: Replayed, whole: Replayed | None, without: list[int]) -> None:
    terminal.emit(f"as it was:  {terminal.clean(str(made.recorded.get('text')))}")
    if whole is None:
        terminal.emit(f"made again: {terminal.clean(made.made.text)}")
    else:
        terminal.emit(f"read anew:  {terminal.clean(whole.made.text)}")
        terminal.emit(f"without {', '.join(map(str, without))}: {terminal.clean(made.made.text)}")
    if made.backend != made.recorded_backend:
        terminal.note(f"it was made on {made.recorded_backend}, and again on {made.backend}: bits may differ")
    if whole is None:
        terminal.note("equal, bit by bit" if made.equal else f"differs in {', '.join(made.differences)}")
    else:
        changed = made.made.text != whole.made.text
        terminal.note("it would have been another plan" if changed else "it would have been the same calls")
