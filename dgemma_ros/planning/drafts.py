"""A canvas on its way, made fit to be shown after every step: cheap, and never a thought."""

from __future__ import annotations

from dgemma_ros.generation.canvas_loop import Draft
from dgemma_ros.planning.answer import Outcome
from dgemma_ros.planning.types import PlanDraft
from dgemma_ros.skills.calls import CallFormat


def draft_of(task_id: str, outcome: Outcome, draft: Draft, form: CallFormat, remaining: float) -> PlanDraft:
    """The outcome after a step as text and tokens, up to the answer's end; ``remaining`` seconds to the deadline."""
    ids = outcome.tokens.tolist()
    shown = [index for index, visible in enumerate(form.visible(ids)) if visible]
    tokenizer = form.tokenizer
    kept = [ids[index] for index in shown]
    return PlanDraft(
        task_id=task_id,
        canvas=outcome.canvases - 1,
        step=draft.step,
        steps=draft.steps,
        text=tokenizer.decode(kept),
        tokens=tuple(form.spelling(token) for token in kept),
        settled=tuple(bool(outcome.settled[index]) for index in shown),
        entropy=tuple(float(outcome.entropy[index]) for index in shown),
        mean_entropy=outcome.mean_entropy,
        remaining=remaining,
    )
