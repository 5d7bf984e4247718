"""``dgemma replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dgemma_ros.cli.options import Device, DeviceChoice, ModelFolder, Threads, open_model
from dgemma_ros.console import terminal


def replay(
    model: ModelFolder,
    case: Annotated[Path, typer.Argument(metavar="CASE.npz", help="Inputs and noise of every step.")],
    out: Annotated[Path, typer.Option("--out", metavar="OUT.npz", help="Where the answers go.")],
    logits: Annotated[bool, typer.Option("--logits", help="Also the logits of every step.")] = False,
    cache: Annotated[bool, typer.Option("--cache", help="Also keys and values of every layer.")] = False,
    device: DeviceChoice = Device.CPU,
    threads: Threads = 0,
) -> None:
    """Run the model on given inputs and given noise, step by step."""
    from dgemma_ros.verification import replay as core

    target = core.check_out(out, case)
    if target.exists():
        terminal.note(f"{out}: is there already, and will be replaced")
    with terminal.progress() as update:
        opened = open_model(model, device, threads, update)
        checked = core.load_case(case, opened.config)
        for name in checked.unknown:
            terminal.note(f"{case}: {name}: is not part of the format, and not looked at")
        steps = len(checked["canvas"])
        update("prefill", 0, 0)
        arrays = core.replay(opened, checked, logits, cache, lambda step: update("steps", step, steps))
        update(f"writing {out}", 0, 0)
        core.save(target, arrays)
