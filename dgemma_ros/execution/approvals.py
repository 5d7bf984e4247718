"""A person's word, bound to what that person saw: one request, one digest, once, before it expires."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from dgemma_ros.execution.types import Order
from dgemma_ros.skills.types import PlanStep


class Scope(StrEnum):
    """What is asked for."""

    PLAN = "PLAN"
    STEP = "STEP"


class Asked(StrEnum):
    """Where a request stands."""

    PENDING = "PENDING"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True)
class Request:
    """What a person is asked; ``expires`` in seconds of the executor's clock, ``step`` from 0."""

    request_id: str
    order: Order
    scope: Scope
    step: int
    digest: str
    expires: float
    state: Asked = Asked.PENDING

    @property
    def steps(self) -> tuple[PlanStep, ...]:
        """What would be carried out."""
        return self.order.steps if self.scope is Scope.PLAN else (self.order.steps[self.step],)


MAX_BY: Final = 200


def digest(order: Order, scope: Scope, step: int) -> str:
    """SHA-256 of all that an approval is for: plan, scope, calls, arguments, and what was seen."""
    calls = [[s.skill, dict(sorted(s.arguments.items()))] for s in order.steps]
    told = [order.plan_id, scope.value, step, calls, order.observation_stamp_ns]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, allow_nan=False).encode()).hexdigest()


class Approvals:
    """At most one request waits at a time. ``note`` is told of every answer that counts, before it counts."""

    def __init__(self, note: Callable[[Request, str], None]) -> None:
        self._note = note
        self.pending: Request | None = None
        self._granted: set[tuple[str, Scope, int]] = set()

    def holds(self, order: Order, scope: Scope, step: int = 0) -> bool:
        """Whether exactly this was approved, and not yet used; using it up is :meth:`use`."""
        return (digest(order, scope, step), scope, step) in self._granted

    def use(self, order: Order, scope: Scope, step: int = 0) -> bool:
        """Takes an approval: it holds once."""
        key = (digest(order, scope, step), scope, step)
        if key not in self._granted:
            return False
        self._granted.discard(key)
        return True

    def ask(self, order: Order, scope: Scope, step: int, expires: float) -> Request:
        """A new request, in place of one that waits."""
        self.pending = Request(uuid.uuid4().hex, order, scope, step, digest(order, scope, step), expires)
        return self.pending

    def answer(self, request_id: str, said: str, approve: bool, by: str, now: float) -> tuple[Request | None, str]:
        """The request as the answer settles it, and why the answer does not count; one of the two."""
        request = self.pending
        if request is None or request.request_id != request_id:
            return None, "no such request waits: it was answered, withdrawn, expired, or never made"
        if said != request.digest:
            return None, "the digest is not that of the request: what was approved is not what would be carried out"
        if now >= request.expires:
            return None, "the request has expired"
        settled = replace(request, state=Asked.GRANTED if approve else Asked.DENIED)
        self._note(settled, by[:MAX_BY])
        self.pending = None
        if approve:
            self._granted.add((request.digest, request.scope, request.step))
        return settled, ""

    def expire(self, now: float) -> Request | None:
        """The request that has just expired, if one did."""
        if self.pending is None or now < self.pending.expires:
            return None
        return self._settle(Asked.EXPIRED)

    def withdraw(self) -> Request | None:
        """Takes back what waits and what was granted and not used; the request, if one waited."""
        self._granted.clear()
        return self._settle(Asked.WITHDRAWN) if self.pending is not None else None

    def _settle(self, state: Asked) -> Request:
        assert self.pending is not None
        settled = replace(self.pending, state=state)
        self.pending = None
        return settled
