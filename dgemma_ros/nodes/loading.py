"""From parameters to a planner that is warm: the slow part of configure."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dgemma_ros.errors import CheckpointError
from dgemma_ros.journal.journal import Journal
from dgemma_ros.journal.store import Limits
from dgemma_ros.model import Model, open_model
from dgemma_ros.nodes.allocator import give_memory_back
from dgemma_ros.nodes.parameter_table import settings_of
from dgemma_ros.planning.planner import Planner
from dgemma_ros.planning.types import Event, Plan, PlanDraft
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError

SKILLS = "skills.yaml"


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
    with contextlib.ExitStack() as opened:
        opened.callback(model.session.close)
        journal = _journal(values, model, on_progress)
        if journal is not None:
            opened.callback(journal.close)
        planner = Planner(model, skills, settings, on_draft, on_plan, on_event, journal=journal)
        opened.callback(planner.close)
        on_progress("warming up")
        planner.warm_up(on_progress)
        model.check_weights()
        gc.collect()
        gc.freeze()  # what is loaded stays: looking through it again and again would hold up every thread
        close = opened.pop_all().close

    def free() -> None:
        close()
        gc.unfreeze()
        give_memory_back()

    return planner, free


def _journal(values: Mapping[str, Any], model: Model, on_progress: Callable[[str], None]) -> Journal | None:
    if not values["journal"]:
        return None
    file = Path(values["journal"]).expanduser()
    on_progress(f"opening the journal {file}")
    limits = Limits(values["journal_bytes"], values["journal_age"])
    about = {"folder": str(model.folder.absolute()), "device": values["device"], "threads": str(values["threads"])}
    return Journal(file, model, limits, about)
