"""``dgemma journal``: what a planner's journal holds; its pictures as files; less of it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dgemma_ros.cli.options import Json
from dgemma_ros.console import terminal
from dgemma_ros.errors import OutputError

if TYPE_CHECKING:
    from dgemma_ros.journal.archive import Archive, PlanEntry, SegmentEntry

SHOWN: Final = 60
"""Characters of a text in a line."""


def journal(
    file: Annotated[Path, typer.Argument(metavar="JOURNAL", help="The file that the parameter journal names.")],
    pictures: Annotated[
        Path | None, typer.Option("--pictures", metavar="DIR", help="Write the frames there, as SEGMENT.jpg.")
    ] = None,
    keep_bytes: Annotated[
        int | None,
        typer.Option("--keep-bytes", min=1, metavar="N", help="Take out the oldest until no more than that is left."),
    ] = None,
    keep_age: Annotated[
        float | None,
        typer.Option("--keep-age", min=1, metavar="SECONDS", help="Take out what is older, but what is remembered."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List a journal's segments and plans, also while its planner runs; export pictures; prune, while it does not."""
    from dgemma_ros.journal.archive import Archive
    from dgemma_ros.journal.store import Limits, prune_file

    pruned = None
    if keep_bytes is not None or keep_age is not None:
        pruned = prune_file(file, Limits(keep_bytes or 0, keep_age or 0.0))
    with closing(Archive(file)) as archive:
        told = _told(archive)
        if pruned is not None:
            told["pruned"] = pruned
        if pictures is not None:
            told["pictures"] = _export(archive, pictures)
    if as_json:
        terminal.emit_json(told)
    else:
        _show(told)


def _told(archive: Archive) -> dict[str, Any]:
    about = archive.about()
    return {
        "file": str(archive.file),
        "bytes": archive.file.stat().st_size,
        "model": about.get("folder", ""),
        "model_digest": about.get("model", ""),
        "segments": [_segment(entry) for entry in archive.segments()],
        "plans": [_plan(entry) for entry in archive.plans()],
    }


def _segment(entry: SegmentEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "kind": entry.kind,
        "time": _time(entry.appended_ns),
        "remembered": entry.tokens is not None,
        "tokens": entry.tokens,
        "bytes": entry.bytes,
        "picture": entry.has_picture,
        "text": _text(entry),
    }


def _text(entry: SegmentEntry) -> str:
    told = entry.content if isinstance(entry.content, dict) else {}
    if entry.kind == "frame":
        return f"{told.get('label', '')} {told.get('camera', '')}".strip()
    if entry.kind == "result":
        result = told.get("result") or {}
        return f"{result.get('skill', '')}: {result.get('status', '')} {result.get('reason', '')}".strip()
    return str(told.get("text") or told.get("task") or "")


def _plan(entry: PlanEntry) -> dict[str, Any]:
    plan = entry.plan if isinstance(entry.plan, dict) else {}
    basis = entry.basis if isinstance(entry.basis, dict) else {}
    return {
        "plan_id": entry.id,
        "time": _time(entry.made_ns),
        "task": plan.get("task", ""),
        "status": plan.get("status", ""),
        "valid": bool(plan.get("valid")),
        "text": plan.get("text", ""),
        "denoising_steps": plan.get("denoising_steps", 0),
        "seed": plan.get("seed"),
        "rests_on": [own[0] for own in (basis.get("state") or {}).get("placed", [])],
        "replayable": "state" in basis,
    }


def _export(archive: Archive, folder: Path) -> int:
    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, jpeg in archive.pictures():
            (folder / f"{number}.jpg").write_bytes(jpeg)
            count += 1
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return count


def _show(told: dict[str, Any]) -> None:
    terminal.emit(f"{told['file']}: {told['bytes'] / 1e6:.1f} MB, of {told['model'] or told['model_digest'][:8]}")
    for entry in told["segments"]:
        place = f"{entry['tokens']} tokens" if entry["remembered"] else "forgotten"
        line = f"{entry['id']:>8}  {entry['time']}  {entry['kind']:<6}  {place:>12}  {entry['bytes'] / 1e3:>9.1f} kB  "
        terminal.emit(line + terminal.clean(_short(entry["text"])))
    for plan in told["plans"]:
        verdict = "valid" if plan["valid"] else "not valid"
        again = "" if plan["replayable"] else "  (cannot be made again)"
        terminal.emit(
            f"{plan['plan_id']:>12}  {plan['time']}  {plan['status']}, {verdict}{again}  "
            f"{terminal.clean(_short(plan['task']))} → {terminal.clean(_short(plan['text']))}"
        )
    if "pruned" in told:
        terminal.note(f"{told['pruned']} segments and plans taken out")
    if "pictures" in told:
        terminal.note(f"{told['pictures']} pictures written")


def _short(text: object) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"


def _time(stamp_ns: int) -> str:
    seconds = min(max(stamp_ns / 1e9, 0.0), 2**32)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))
