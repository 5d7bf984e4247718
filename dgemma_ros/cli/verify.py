"""``dgemma verify``."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import typer

from dgemma_ros.cli.options import Device, DeviceChoice, Json, ModelFolder, Threads
from dgemma_ros.console import terminal

if TYPE_CHECKING:
    from dgemma_ros.verification.verify import Result, Verification


def verify(model: ModelFolder, device: DeviceChoice = Device.CPU, threads: Threads = 0, as_json: Json = False) -> None:
    """Is this device computing rightly?

    Replays the cases in MODEL/golden and compares. A model without cases has its first layers compared with the same
    layers on ONNX Runtime in float32. Exit status 1 where the numbers are wrong.
    """
    from dgemma_ros.verification import verify as core

    with terminal.progress() as update:
        outcome = core.verify(model, device.value, threads, update)
    if as_json:
        terminal.emit_json(as_object(outcome))
    else:
        terminal.emit("\n".join(lines(outcome)))
    if not outcome.right:
        raise typer.Exit(1)


def as_object(outcome: Verification) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "right": outcome.right,
        "backend": outcome.backend,
        "precision": outcome.dtype,
        "check": outcome.source.value,
        "layers": outcome.layers,
        "cases": [
            {
                "name": result.name,
                "right": result.right,
                "differences": [str(difference) for difference in result.report.wrong],
                "worst": {name: value if isfinite(value) else None for name, value in result.report.worst.items()},
                "ties": result.report.ties,
                "positions": result.report.compared,
            }
            for result in outcome.results
        ],
    }


def lines(outcome: Verification) -> list[str]:
    """What people read."""
    from dgemma_ros.verification.verify import Reference

    told = [f"{outcome.backend}, {outcome.dtype}"]
    if outcome.source is Reference.SELF:
        told.append(
            f"self-consistency check: this model has no golden cases; its first {outcome.layers} layers were compared "
            "with ONNX Runtime on the CPU in float32, not with the reference"
        )
    told += [_line(result) for result in outcome.results]
    wrong = sum(not result.right for result in outcome.results)
    verdict = f"WRONG in {wrong} of {len(outcome.results)} cases" if wrong else f"right in {len(outcome.results)} cases"
    return [*told, verdict]


def _line(result: Result) -> str:
    report = result.report
    if report.wrong:
        more = f" (and {len(report.wrong) - 1} more)" if len(report.wrong) > 1 else ""
        return f"  WRONG  {result.name}: {report.wrong[0]}{more}"
    tied = {name: count for name, count in report.ties.items() if count}
    ties = "no ties" if not tied else "ties: " + ", ".join(f"{count} {name}" for name, count in tied.items())
    largest = max(report.worst.items(), key=lambda item: item[1], default=("nothing", 0.0))
    return f"  right  {result.name}: {report.compared} positions, {ties}, largest error {largest[1]:.2g} ({largest[0]})"
