"""A tiny random checkpoint with the test tokenizer, and planners whose plans can be awaited."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.context.context import Context
from dgemma_ros.errors import BackendError
from dgemma_ros.generation.contract import Answer, Request
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.model import Model
from dgemma_ros.planning import Event, Frame, Plan, PlanDraft, Planner, Settings, SkillCatalogue, Task
from dgemma_ros.planning.budget import StepTimes
from tests import tiny, tokenizers

SKILLS = {
    "skills": [
        {
            "name": "pick",
            "description": "Pick up an object.",
            "arguments": {"object": {"type": "string", "required": True}},
            "examples": [{"object": "red cube"}],
        },
        {
            "name": "place",
            "description": "Put it down.",
            "arguments": {
                "object": {"type": "string", "required": True},
                "target": {"type": "string", "required": True, "choices": ["table", "blue plate", "left"]},
            },
        },
        {
            "name": "turn",
            "description": "Turn.",
            "arguments": {
                "by": {"type": "integer", "range": [-90, 90]},
                "fast": {"type": "boolean"},
                "speed": {"type": "number", "range": [0, 1]},
            },
        },
        {"name": "stop", "description": "Stop."},
    ]
}


def write_model(folder: Path, **changes: Any) -> Path:
    """A tiny random checkpoint with the test tokenizer, whose ids its configuration names."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizers.write_tokenizer(folder)
    tokenizer = Tokenizer.load(folder)
    vision = changes.pop("vision", tiny.TinyVision())
    made = tiny.Tiny(
        vocab=tokenizer.size,
        canvas=changes.pop("canvas", 64),
        positions=changes.pop("positions", 4096),
        vision=vision,
        window=24,
        layers="SSF",
        **changes,
    )
    tiny.make(folder, made)
    config = json.loads((folder / "config.json").read_text())
    pictures = tokenizer.images
    assert pictures is not None
    config |= {"boi_token_id": pictures.begin, "image_token_id": pictures.soft, "eoi_token_id": pictures.end}
    text = config["text_config"]
    for name in ("pad", "eos", "bos"):
        text[f"{name}_token_id"] = tokenizer.id(f"<{name}>")
    (folder / "config.json").write_text(json.dumps(config))
    generation = json.loads((folder / "generation_config.json").read_text())
    ends = [tokenizer.id("<eos>"), tokenizer.id("<turn|>")]
    generation |= {"eos_token_id": ends, "pad_token_id": tokenizer.id("<pad>"), "bos_token_id": tokenizer.id("<bos>")}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    if vision is not None:
        preparation = {"patch_size": vision.patch, "pooling_kernel_size": vision.pooling, "max_soft_tokens": 12}
        (folder / "preprocessor_config.json").write_text(json.dumps(preparation | {"image_seq_length": 12}))
    return folder


class Recorder:
    """Gathers what a planner publishes; plans can be awaited."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.drafts: list[PlanDraft] = []
        self.events: list[Event] = []
        self.during: Callable[[PlanDraft], None] | None = None
        self.then: Callable[[Plan], None] | None = None
        self._more = threading.Condition()

    def on_plan(self, plan: Plan) -> None:
        with self._more:
            self.plans.append(plan)
            self._more.notify_all()
        if self.then is not None:
            self.then(plan)

    def on_draft(self, draft: PlanDraft) -> None:
        with self._more:
            self.drafts.append(draft)
            self._more.notify_all()
        if self.during is not None:
            self.during(draft)

    def on_event(self, event: Event) -> None:
        with self._more:
            self.events.append(event)
            self._more.notify_all()

    def wait(self, ready: Callable[[], bool], timeout: float = 60.0) -> None:
        with self._more:
            assert self._more.wait_for(ready, timeout), "nothing came"

    def plan(self, task_id: str) -> Plan:
        self.wait(lambda: any(plan.task_id == task_id for plan in self.plans))
        (found,) = [plan for plan in self.plans if plan.task_id == task_id]
        return found


class Breaks:
    """A session whose backbone fails in its next run but ``after``, and does half of the work then."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.after: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def encode(self, cache: Any, rows: Any, feeds: Any) -> None:
        self._session.encode(cache, rows, feeds)
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                self.after = None
                raise BackendError("the device is gone")


class Watched(LocalGenerator):
    """The planner's generator, which lets the context be seen that it was last asked about."""

    context: Context

    def answer(self, request: Request) -> Answer:
        self.context = request.context
        return super().answer(request)


class Desk:
    """A planner with its recorder. ``given`` is handed in to it: step times, a clock."""

    def __init__(self, model: Model, skills: SkillCatalogue, settings: Settings, **given: Any) -> None:
        self.seen, self.generator = Recorder(), Watched(model)
        seen = self.seen
        self.planner = Planner(
            model, skills, settings, seen.on_draft, seen.on_plan, seen.on_event, generator=self.generator, **given
        )
        self._count = 0

    def submit(self, text: str = "pick up the red cube", **task: Any) -> str:
        self._count += 1
        task_id = task.pop("task_id", f"t{self._count}")
        task.setdefault("budget", 30.0)
        self.planner.submit(Task(task_id, text, received=task.pop("received", time.monotonic()), **task))
        return task_id

    def ask(self, text: str = "pick up the red cube", **task: Any) -> Plan:
        return self.seen.plan(self.submit(text, **task))


def picture(seed: int, height: int = 48, width: int = 64) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def frame(seed: int, seconds: float, camera: str = "front", received: float | None = None) -> Frame:
    at = time.monotonic() if received is None else received
    return Frame(picture(seed), int(seconds * 1e9), camera, f"{camera}_optical", at)


def timed(seconds: float, clock: Callable[[], float] = time.monotonic) -> StepTimes:
    """Steps of any context took so long, so often that it is certain."""
    times = StepTimes(clock)
    for _ in range(100):
        times.record(400, seconds)
    return times


class Later:
    """A clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead
