"""``dgemma plan``: all that the planner node does for one task, without ROS."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dgemma_ros.cli.options import Device, DeviceChoice, Json, ModelFolder, Threads, named_file, open_model
from dgemma_ros.console import plan_view, terminal
from dgemma_ros.errors import DgemmaError, ErrorCode

if TYPE_CHECKING:
    from dgemma_ros.planning import Plan

SKILLS: Final = "skills.yaml"
PATIENCE: Final = 86400.0
"""Seconds, where no budget is given: as long as the model's own step limit takes."""
NOT_VALID: Final = 1


class TaskError(DgemmaError):
    """The task itself cannot be used: no words, too long, a bad template."""


def plan(
    model: ModelFolder,
    task: Annotated[str, typer.Option("--task", metavar="TEXT", help="What the robot is asked to do.")],
    image: Annotated[
        list[Path] | None,
        typer.Option(
            "--image", metavar="FILE", parser=named_file, help="A picture to look at; may be repeated, oldest first."
        ),
    ] = None,
    skills: Annotated[
        Path | None,
        typer.Option(
            "--skills", metavar="FILE", parser=named_file, help="What the robot can do; default, MODEL's skills.yaml."
        ),
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option("--budget-ms", min=1, max=1e3 * PATIENCE, metavar="N", help="Milliseconds to the plan."),
    ] = None,
    template: Annotated[
        str, typer.Option("--template", metavar="TEXT", help="What is known: 'pick(object=____); place(…)'.")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, metavar="N", help="Keys all of the noise.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, metavar="N", help="Denoising steps a canvas may take; default, the model's own."
        ),
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Plan again from the next seed, and say whether both agree.")
    ] = False,
    thinking: Annotated[bool, typer.Option("--thinking", help="Let the model think first, where it can.")] = False,
    device: DeviceChoice = Device.CPU,
    threads: Threads = 0,
    bt: Annotated[bool, typer.Option("--bt", help="Print the plan as BehaviorTree.CPP XML, for Groot2.")] = False,
    as_json: Json = False,
) -> None:
    """Make one plan, without ROS. Ends with status 1 where the plan is not valid."""
    from dgemma_ros.images.preparation import read_image
    from dgemma_ros.planning import Settings, SkillCatalogue, Task
    from dgemma_ros.planning.once import plan_once

    with terminal.progress() as update:
        opened = open_model(model, device, threads, update)
        _ = opened.chat
        pictures = [read_image(file) for file in image or []]
        catalogue = SkillCatalogue.load(skills or model / SKILLS)
        update("planning", 0, 0)
    settings = Settings(
        seed=seed,
        max_steps=steps,
        thinking=thinking,
        confirm=confirm,
        context_tokens=opened.config.text.max_positions,
        budget=PATIENCE,
    )
    wanted = Task("plan", task, None if budget_ms is None else budget_ms / 1e3, template_text=template)
    with plan_view.live_drafts() as on_draft:
        made = plan_once(opened, catalogue, settings, wanted, pictures, on_draft, warm=budget_ms is not None)
    if made.error_code is ErrorCode.BAD_TASK:
        raise TaskError(made.error)
    tree = ""
    if bt and made.valid:
        from dgemma_ros.execution.behaviour_tree import tree_xml
        from dgemma_ros.execution.table import ExecutionTable

        table = ExecutionTable.load_if_any(skills or model / SKILLS, catalogue)
        tree = tree_xml(made.steps, catalogue, table, task)
    if as_json:
        terminal.emit_json(report(made) | ({"bt": tree} if bt else {}))
    elif tree:
        terminal.emit(tree)
    else:
        terminal.emit(terminal.clean(made.text))
        verdict = "valid" if made.valid else f"not valid: {made.error}"
        took = f"{made.denoising_steps} steps, {1e3 * made.latency.total:.0f} ms"
        terminal.note(f"{verdict} ({made.status}, {took})")
        if confirm and made.valid:
            terminal.note(confirmation_note(made))
    if not made.valid:
        raise typer.Exit(NOT_VALID)


def confirmation_note(plan: Plan) -> str:
    """What came of another seed, for people."""
    other = f": {terminal.clean(plan.other_text) or 'no plan'}" if plan.confirmation.name == "DIFFERED" else ""
    return f"another seed: {plan.confirmation.value.lower().replace('_', ' ')}{other}"


def report(plan: Plan) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    return {
        "status": plan.status.value,
        "valid": plan.valid,
        "stale": plan.stale,
        "steps": [
            {"skill": step.skill, "arguments": dict(step.arguments), "confidence": step.confidence}
            for step in plan.steps
        ],
        "text": plan.text,
        "denoising_steps": plan.denoising_steps,
        "step_budget": plan.step_budget,
        "canvases": plan.canvases,
        "mean_entropy": plan.mean_entropy,
        "context_tokens": plan.context_tokens,
        "latency_ms": {
            "total": 1e3 * plan.latency.total,
            "vision": 1e3 * plan.latency.vision,
            "prefill": 1e3 * plan.latency.prefill,
            "denoise": 1e3 * plan.latency.denoise,
        },
        "seed": plan.seed,
        "confirmation": plan.confirmation.value,
        "other_text": plan.other_text,
        "recalled": [asdict(frame) for frame in plan.recalled],
        "error": plan.error or None,
        "error_code": plan.error_code.name,
    }
