"""Every reason why a plan must not begin, or its next step must not start; the only way to a dispatch is here.

A gate looks at one thing and says why not. What is not known to be right does not pass: a skill that has no mapping, an
argument that the catalogue does not allow, a plan without an end to its validity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import jsonschema

from dgemma_ros.errors import one_line
from dgemma_ros.execution.entry import Entry
from dgemma_ros.execution.table import ExecutionTable
from dgemma_ros.execution.types import Order
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.skills.types import PlanStep


@dataclass(frozen=True)
class Refusal:
    """``reason`` is one word for programs, ``message`` one line for people."""

    reason: str
    message: str


@dataclass
class Conditions:
    """What is known now. Whoever runs the executor keeps it; a gate only reads it."""

    inhibited: bool = False
    lost: dict[str, str] = field(default_factory=dict)
    """What is watched and not well: ``planner``, ``camera``; with why."""
    doubt: str = ""
    """An action's end is not known: nothing moves until somebody says that it may."""
    ready: Mapping[str, float] = field(default_factory=dict)
    """Of topics that skills require: when they last said true."""


@dataclass(frozen=True)
class Terms:
    """What every plan is held to."""

    table: ExecutionTable
    catalogue: SkillCatalogue
    min_confidence: float = 0.0
    require_confirmed: bool = False
    """Whether another seed must have come to the same plan."""


def _seen(order: Order, seen: Collection[str]) -> Refusal | None:
    return Refusal("seen", f"plan {order.plan_id[:64]!r} was here before") if order.plan_id in seen else None


def _named(order: Order) -> Refusal | None:
    return None if order.plan_id else Refusal("nameless", "the plan has no plan_id")


def _valid(order: Order) -> Refusal | None:
    return None if order.valid else Refusal("invalid", f"the plan is not valid: {order.error or 'it says no why'}")


def _fresh(order: Order) -> Refusal | None:
    return Refusal("stale", "the plan rests on too old a picture") if order.stale else None


def _confirmed(order: Order, terms: Terms) -> Refusal | None:
    if order.confirmed or not terms.require_confirmed:
        return None
    return Refusal("unconfirmed", "no other seed came to the same plan (require_confirmed)")


def _clock(order: Order) -> Refusal | None:
    text = "the plan's stamp lies ahead: the clocks of planner and executor differ, or one jumped"
    return Refusal("clock", text) if order.from_the_future else None


def _in_time(order: Order, now: float) -> Refusal | None:
    if math.isfinite(order.begin_before) and now < order.begin_before:
        return None
    return Refusal("late", "valid_until is past")


def _not_empty(order: Order) -> Refusal | None:
    return None if order.steps else Refusal("empty", "the plan has no steps")


def refuse_step(step: PlanStep, terms: Terms) -> Refusal | None:
    """Why this call, by itself, must not be carried out."""
    skill = terms.catalogue.usable.get(step.skill)
    if skill is None:
        return Refusal("unknown_skill", f"{step.skill[:64]!r} is no skill that can be used")
    if step.skill not in terms.table.entries:
        return Refusal("unmapped", f"{step.skill} has no action in {terms.table.file or 'the table'}")
    error = jsonschema.exceptions.best_match(skill.validator.iter_errors(dict(step.arguments)))
    if error is not None:
        return Refusal("bad_argument", f"{step.skill}: {one_line(error.message, 160)}")
    if any(isinstance(value, float) and not math.isfinite(value) for value in step.arguments.values()):
        return Refusal("bad_argument", f"{step.skill}: a number is not finite")
    confidence = math.nan if step.confidence is None else step.confidence
    if not confidence >= terms.min_confidence:  # what is not known is below everything
        return Refusal("unsure", f"{step.skill}: confidence {confidence:.2f} is below {terms.min_confidence:g}")
    return None


def _steps(order: Order, terms: Terms) -> Refusal | None:
    return next((refusal for step in order.steps if (refusal := refuse_step(step, terms))), None)


def refuse_now(conditions: Conditions) -> Refusal | None:
    """Why nothing may start now, whatever it is."""
    if conditions.inhibited:
        return Refusal("inhibited", "inhibit is true")
    if conditions.doubt:
        return Refusal("doubt", conditions.doubt)
    for name, why in conditions.lost.items():
        return Refusal(f"no_{name}", f"{name}: {why}")
    return None


def refuse_plan(
    order: Order, terms: Terms, conditions: Conditions, seen: Collection[str], now: float
) -> Refusal | None:
    """Why a plan that has just come must not be taken; None where it may."""
    checks: tuple[Callable[[], Refusal | None], ...] = (
        lambda: _named(order),
        lambda: _seen(order, seen),
        lambda: _valid(order),
        lambda: _fresh(order),
        lambda: _confirmed(order, terms),
        lambda: _clock(order),
        lambda: _in_time(order, now),
        lambda: _not_empty(order),
        lambda: _steps(order, terms),
        lambda: refuse_now(conditions),
    )
    return next((refusal for check in checks if (refusal := check())), None)


def refuse_dispatch(
    order: Order, index: int, begun: bool, behind: str, terms: Terms, conditions: Conditions, now: float
) -> Refusal | None:
    """Why step ``index`` must not start now. ``begun``: a step of this plan was dispatched; ``behind``: the skill of
    the step before it, empty where there is none."""
    step = order.steps[index]
    if refusal := refuse_now(conditions) or refuse_step(step, terms):
        return refusal
    if not begun and (late := _in_time(order, now)):
        return late
    return refuse_preconditions(terms.table.entries[step.skill], behind, conditions, now)


def refuse_preconditions(entry: Entry, behind: str, conditions: Conditions, now: float) -> Refusal | None:
    """Why a skill's own conditions do not hold."""
    if entry.after and behind not in entry.after:
        return Refusal("precondition", f"{entry.skill} goes only behind {' or '.join(entry.after)}")
    for requirement in entry.requires:
        said = conditions.ready.get(requirement.topic)
        if said is None or now - said > requirement.max_age:
            text = f"{entry.skill}: {requirement.topic} did not say true in the last {requirement.max_age:g} s"
            return Refusal("precondition", text)
    return None
