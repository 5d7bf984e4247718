"""A planner's day in compressed time: 86,400 frames of two cameras, tasks and notes, clocks that jump.

Time is skipped while nothing is to be done and runs as it does otherwise, so that a step takes what it takes and a
budget is worth what it is. After every piece of work the bounds are looked at. Now and then the model is asked about
what it remembers, and so is a fresh context with the same frames, notes and turns.

    python -m benchmarks.day [--hours 24] [--minutes N] [--tiny] [--model DIR] [--settings JSON] [--into FILE]

Longer than most files: one run, from the clock that jumps to the table; its world is in `day_world.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.day_world import NOTES, Shot, World
from benchmarks.table import Table, fill, markdown
from dgemma_ros.context.context import Context
from dgemma_ros.context.segments import FrameSegment, NoteSegment, ResultSegment, TurnSegment
from dgemma_ros.generation.contract import Answer, Limits, Request
from dgemma_ros.generation.generate import NoDeadline
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Event, EventKind, Frame, Plan, Planner, Settings, SkillCatalogue, Task
from dgemma_ros.skills.validation import check
from training import tasks

NANO = Path(__file__).resolve().parent.parent / "engines" / "nano"
BUDGET = 1.0
TASK_EVERY, NOTE_EVERY, ASK_EVERY = 60.0, 400.0, 300.0
"""Seconds between two, on average; and between two questions about what is remembered."""
KINDS = (*tasks.PICTURE, *tasks.HISTORY)
AWAKE = 3
"""Seconds behind a task or a question for which the planner's own thread goes on."""
PATIENCE = 300.0
GREY = np.full((2, 2, 3), 128, np.uint8)


class Skipping:
    """A clock that runs as time does, and can be set forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return time.monotonic() + self._ahead

    def skip_to(self, moment: float) -> None:
        """Not backwards: what took longer is that late."""
        self._ahead += max(0.0, moment - self())


class Generator(LocalGenerator):
    """The planner's, which shows the context that it is asked about."""

    context: Context | None = None

    def answer(self, request: Request) -> Answer:
        """The model's."""
        self.context = request.context
        return super().answer(request)


@dataclass
class Found:
    """What a day showed. Seconds are the day's own."""

    frames: int = 0
    looks: int = 0
    over: list[str] = field(default_factory=list)
    """Bounds that did not hold, and when."""
    most: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """From a task's arrival to its beginning."""
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    """MiB of the process's own memory, once a minute."""
    asked: int = 0
    right: int = 0
    right_fresh: int = 0
    alike: int = 0
    replaced: int = 0
    """Stamps that could not be meant."""


class Day:
    """One planner, fed second by second. A context manager."""

    def __init__(self, model: Model, skills: SkillCatalogue, settings: Settings, seed: int, hurry: float = 1.0) -> None:
        """``hurry``: so much more often than usual a task, a note, and a fault of the clock come."""
        self.model, self.skills, self.settings = model, skills, settings
        self.found, self.clock, self.world = Found(), Skipping(), World(seed, hurry)
        self.rng = np.random.default_rng((seed, 1))
        self.truth: dict[float, tuple[Any, ...]] = {}
        """What lay on the table, by the arrival of the frame that shows it."""
        self._work = threading.Condition()
        self._done: Counter[str] = Counter()
        self._plans: dict[str, Plan] = {}
        self._sent: dict[str, float] = {}
        self.generator = Generator(model)
        self.planner = Planner(
            model, skills, settings, None, self._on_plan, self._on_event, generator=self.generator, clock=self.clock
        )
        self.planner.warm_up()
        self._read_here, self._hurry = 0, hurry
        self._awake = False
        """Whether the planner's own thread has the model; what is read while it has not is read by this one."""

    # -- what the planner tells -----------------------------------------------------------------------------------

    def _on_plan(self, plan: Plan) -> None:
        with self._work:
            self._plans[plan.task_id] = plan
            self._work.notify_all()

    def _on_event(self, event: Event) -> None:
        if event.kind is EventKind.TASK_STARTED:
            self.found.waits.append(event.at - self._sent[event.task_id])
        if event.kind is EventKind.ERROR:
            self.found.errors[event.text] += 1
        self._look(event.kind.value)
        with self._work:
            self._done[event.kind.value] += 1
            self._work.notify_all()

    def _look(self, after: str) -> None:
        """Whether every bound holds now."""
        info, bounds = self.planner.context_info(), self.settings
        self.found.looks += 1
        kinds = Counter(segment.kind for segment in info.segments)
        held = {
            "tokens": (info.tokens, info.limit),
            "bytes": (info.bytes, bounds.context_bytes or np.inf),
            "frames": (kinds["frame"], bounds.max_frames or self.model.generation.max_frames or info.limit),
            "turns": (kinds["task"], bounds.max_turns),
            "notes": (kinds["note"], bounds.max_notes),
        }
        for what, (now, most) in held.items():
            self.found.most[what] = max(self.found.most[what], now)
            if now > most:
                self.found.over.append(f"{what}: {now} of {most} after {after}")

    # -- a second after the other ---------------------------------------------------------------------------------

    def run(
        self, seconds: int, note: Callable[[str], None] = lambda text: None, minutes: float = float("inf")
    ) -> Found:
        """Lives through so many, or as many as there are minutes for."""
        began, awake_until, end = self.clock(), 0, time.monotonic() + 60 * minutes
        for second, shot in enumerate(self.world.shots(seconds)):
            if time.monotonic() > end:
                break
            self.clock.skip_to(began + second)
            task, told = (self.rng.random() < self._hurry / every for every in (TASK_EVERY, NOTE_EVERY))
            asked = second % round(ASK_EVERY / self._hurry) == 0 and second > 0
            if (task or asked) and not self._awake:
                self.planner.start()
                self._awake = True
            if task or asked:
                awake_until = second + AWAKE
            self._show(shot, wait=self.rng.random() < 0.5)
            if told:
                self.planner.add_note(str(self.rng.choice(NOTES)))
            if task:
                self._task(shot)
            if asked:
                self._settle()
                self._compare()
            if self._awake and second >= awake_until:
                self._settle()
                self.planner.stop()
                self._awake = False
            if second % 60 == 0:
                self.found.memory.append(_own_memory())
                self._forget_truth()
            if second % 3600 == 0:
                info = self.planner.context_info()
                note(f"hour {second // 3600}: {info.tokens} tokens, {info.frames} frames, {_own_memory():.0f} MiB")
        self.found.replaced = self.planner.context_info().replaced_stamps
        return self.found

    def close(self) -> None:
        """Ends the planner."""
        self.planner.close()

    def _show(self, shot: Shot, wait: bool) -> None:
        """One frame; where nobody waits for it, what comes next finds it still in work."""
        received = self.clock()
        self.truth[received] = shot.objects
        frame = Frame(shot.picture, shot.stamp_ns, shot.camera, f"{shot.camera}_lens", received)
        self.found.frames += 1
        if not self._awake:
            self.planner.read_frame(frame)
            self._read_here += 1
            return
        self.planner.add_frame(frame)
        if wait:
            self._settle()

    def _settle(self) -> None:
        """Waits until nothing is left to do."""
        end = time.monotonic() + PATIENCE
        while self._busy():
            if time.monotonic() > end:
                raise TimeoutError("the planner does not come to rest")
            with self._work:
                self._work.wait(0.005)

    def _busy(self) -> bool:
        figures = self.planner.statistics()
        read = self._done[EventKind.FRAME_ENCODED.value] - self._read_here + sum(self.found.errors.values())
        busy = figures.state != "idle" or figures.waiting > 0 or figures.frames_taken > read
        return busy or figures.context.behind > 0

    def _task(self, shot: Shot) -> None:
        view = tasks.View((shot.objects,))
        asked = None
        while asked is None:
            asked = tasks.make(self.rng, view, str(self.rng.choice(tasks.PICTURE)))
        plan = self._plan(asked.text, remember=self.rng.random() < 0.5, budget=BUDGET)
        self.found.statuses[plan.status.value] += 1
        if plan.finished > plan.deadline:
            self.found.late.append(plan.finished - plan.deadline)

    def _plan(self, text: str, remember: bool, budget: float) -> Plan:
        name = f"t{len(self._sent)}"
        self._sent[name] = self.clock()
        self.planner.submit(Task(name, text, budget, remember=remember, received=self._sent[name]))
        with self._work:
            if not self._work.wait_for(lambda: name in self._plans, PATIENCE):
                raise TimeoutError("a task has no plan")
            return self._plans.pop(name)

    # -- what is remembered ---------------------------------------------------------------------------------------

    def _forget_truth(self) -> None:
        if (context := self.generator.context) is not None and len(self.truth) > 10_000:
            kept = {one.frame.received for one in context.log.segments if isinstance(one, FrameSegment)}
            newest = max(self.truth)
            self.truth = {at: objects for at, objects in self.truth.items() if at in kept or at == newest}

    def _compare(self) -> None:
        """One question about what is remembered, here and in a fresh context with the same."""
        context = self.generator.context
        if context is None:
            return
        segments = context.log.segments
        moments = [self.truth[one.frame.received] for one in segments if isinstance(one, FrameSegment)]
        if not moments:
            return
        asked = tasks.make(self.rng, tasks.View(tuple(moments)), str(self.rng.choice(KINDS)))
        if asked is None:
            return
        here = self._plan(asked.text, remember=False, budget=PATIENCE)
        calls = [(step.skill, dict(step.arguments)) for step in here.steps]
        there = self._fresh(segments, asked.text)
        found = self.found
        found.asked += 1
        found.right += here.valid and asked.right(calls)
        found.right_fresh += asked.right(there)
        found.alike += calls == there

    def _fresh(self, segments: tuple[Any, ...], text: str) -> list[tasks.Call]:
        """The calls with which a context answers that has never held anything else."""
        # Nothing is thinned there: it holds no more than what is remembered here, and does not see which changed.
        bounds = replace(self.settings, frame_ladder=(), max_frames=0, max_frame_age=0.0)
        other = Context(self.model, self.skills, bounds, self.clock)
        for one in segments:
            if isinstance(one, FrameSegment):
                other.add_frame(replace(one.frame, rgb=GREY), one.soft)
            elif isinstance(one, NoteSegment):
                other.add_note(one.text)
            elif isinstance(one, TurnSegment):
                other.begin(one.task)
                other.commit(one.task, one.reply, one.plan, one.plan_id)
            elif isinstance(one, ResultSegment):
                result = one.result
                other.add_result(one.plan_id, one.step, result.status, result.reason)
        limits = Limits(self.settings.max_canvases, self.settings.max_plan_steps, self.settings.max_steps)
        request = Request(
            other, text, "", self.skills, NoDeadline(), self.settings.seed, limits, True, lambda: False, lambda a: None
        )
        answer = LocalGenerator(self.model).answer(request)
        checked = check(answer.parsed, self.skills, self.settings.max_plan_steps, answer.complete)
        return [] if checked.problems else [(step.skill, dict(step.arguments)) for step in checked.steps]


def _own_memory() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def measure(
    hours: float,
    folder: Path | None,
    seed: int,
    note: Callable[[str], None] = print,
    minutes: float = float("inf"),
    **changes: Any,
) -> tuple[Table, Found]:
    """A day of so many hours; ``folder``: a model, None for a tiny random one."""
    model, skills = _model(folder)
    settings = replace(Settings(budget=BUDGET), **changes)
    began = time.monotonic()
    day = Day(model, skills, settings, seed)
    try:
        found = day.run(round(3600 * hours), note, minutes)
        info = day.planner.context_info()
    finally:
        day.close()
    took = time.monotonic() - began
    quarter = max(1, len(found.memory) // 4)
    early, end = np.median(found.memory[quarter : 2 * quarter] or found.memory), np.median(found.memory[-quarter:])
    waits = 1e3 * np.array(found.waits or [0.0])
    over = Counter(text.partition(":")[0] for text in found.over)
    dropped = ", ".join(f"{count} {kind}" for kind, count in sorted(info.dropped.items()))
    most = ", ".join(f"{count} {what}" for what, count in found.most.items())
    rows: list[tuple[object, ...]] = [
        ("frames offered", found.frames),
        ("tasks with a budget of 1 s", f"{sum(found.statuses.values())}, of them late {len(found.late)}"),
        ("a task waited before it was begun, p50, p99, max", "{:.1f}, {:.1f}, {:.1f} ms".format(*_three(waits))),
        ("looks at the bounds, and bounds that did not hold", f"{found.looks}, {dict(over) or 'none'}"),
        ("the most that there was at any look", most),
        ("forgotten", dropped or "nothing"),
        ("read again, positions shifted, stamps replaced", f"{info.rebuilds}, {info.shifts}, {info.replaced_stamps}"),
        ("memory in the second and in the last quarter", f"{early:.1f}, {end:.1f} MiB"),
        ("questions about what is remembered", found.asked),
        ("of these right, here and in a fresh context", f"{found.right}, {found.right_fresh}"),
        ("answered alike", found.alike),
    ]
    name = folder.name if folder else "a tiny random model"
    ended = ", ".join(f"{count} {status}" for status, count in found.statuses.most_common())
    notes = [
        f"{name}, {found.frames / 3600:.3g} hours in {took:.0f} s, {model.session.backend}, load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seed {seed}; context of {info.limit} tokens",
        f"how tasks ended: {ended}",
    ]
    notes += [f"{count} × {text}" for text, count in found.errors.most_common(3)]
    return Table("A day", ("what", "found"), rows, notes), found


def _three(values: np.ndarray) -> tuple[float, float, float]:
    return float(np.percentile(values, 50)), float(np.percentile(values, 99)), float(values.max())


def _model(folder: Path | None) -> tuple[Model, SkillCatalogue]:
    if folder is not None:
        return open_model(folder, threads=1), SkillCatalogue.load(folder / "skills.yaml")
    from tests.desk import SKILLS, write_model

    made = write_model(Path(tempfile.mkdtemp(prefix="dgemma-day-")) / "tiny")
    return open_model(made, threads=1), SkillCatalogue.of(SKILLS)


def run(quick: bool = False) -> Table:
    """The figures of ``python -m benchmarks day``."""
    return measure(0.02 if quick else 1.0, NANO, 0)[0]


def main() -> None:
    """Prints the table."""
    from rich.console import Console

    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--model", type=Path, default=NANO, metavar="DIR")
    parser.add_argument("--tiny", action="store_true", help="a tiny random model instead: no answers, but all the rest")
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="N", help="end behind so many of ours")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--settings", default="{}", metavar="JSON", help="the planner's, that differ from the defaults")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--into", type=Path, metavar="FILE", help="put the table in its place in this page")
    given = parser.parse_args()
    table, found = measure(
        given.hours,
        None if given.tiny else given.model,
        given.seed,
        minutes=given.minutes,
        **json.loads(given.settings),
    )
    show(Console(width=150), table)
    if given.json:
        given.json.write_text(json.dumps({"table": asdict(table), "found": vars(found)}, indent=1) + "\n")
    if given.into:
        shown = markdown(table.columns, table.rows, [f"{note[0].upper()}{note[1:]}." for note in table.notes])
        fill(given.into, "a day of a tiny model" if given.tiny else "a day", shown)


if __name__ == "__main__":
    main()
