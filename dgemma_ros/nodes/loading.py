"""From parameters to a planner that is warm: the slow part of configure."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dgemma_ros.errors import CheckpointError
from dgemma_ros.model import open_model
from dgemma_ros.nodes.parameter_table import settings_of
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import Event, Plan, PlanDraft
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError

SKILLS = "skills.yaml"


def give_memory_back() -> None:
    """Frees what only cycles hold, and hands the allocator's free pages to the system: perception shares the memory."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc has it, others need it less
        ctypes.CDLL(None).malloc_trim(0)


def load(
    values: Mapping[str, Any],
    on_progress: Callable[[str], None],
    on_draft: Callable[[PlanDraft], None],
    on_plan: Callable[[Plan], None],
    on_event: Callable[[Event], None],
) -> tuple[Planner, Callable[[], None]]:
    """A planner by the node's parameters, and what frees it. Raises :class:`DgemmaError` with nothing left open."""
    if not values["model"]:
        raise CheckpointError("the parameter model is empty: give a model's folder, as in -p model:=engines/nano")
    settings = settings_of(values)
    folder = Path(values["model"]).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; the parameter model names a checkpoint or an exported folder")
    catalogue = Path(values["skills"]).expanduser() if values["skills"] else folder / SKILLS
    if not catalogue.is_file():
        raise SkillsError(f"{catalogue}: no such file; the parameter skills names the robot's skills")
    skills = SkillCatalogue.load(catalogue)
    on_progress(f"loading {folder}")
    copied = values["weights"] == "copy"
    model = open_model(folder, values["device"], values["threads"], on_progress, copy_weights=copied)
    try:
        planner = Planner(model, skills, settings, on_draft, on_plan, on_event)
        on_progress("warming up")
        planner.warm_up(on_progress)
        model.check_weights()
        gc.collect()
        gc.freeze()  # what is loaded stays: looking through it again and again would hold up every thread
    except BaseException:
        model.session.close()
        raise

    def free() -> None:
        planner.close()
        model.session.close()
        gc.unfreeze()
        give_memory_back()

    return planner, free
