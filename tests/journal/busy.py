"""A planner that is busy with a task, hears words and sees frames meanwhile, says so, and is killed by the test.

``python -m tests.journal.busy MODEL JOURNAL``: each line is what came, and when, of the system's steady clock.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from pathlib import Path

from dgemma_ros.context.results import ResultStatus
from dgemma_ros.generation.contract import Answer, Request
from dgemma_ros.generation.local import LocalGenerator
from dgemma_ros.journal.journal import Journal
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Planner, Settings, SkillCatalogue, Task
from tests.desk import SKILLS, Recorder, frame

SETTINGS = Settings(max_notes=64, max_frames=6, frame_rate=1000.0, keyframe_change=0)


class Busy(LocalGenerator):
    """The model's, which does not answer until it is let go."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.inside, self.go = threading.Event(), threading.Event()

    def answer(self, request: Request) -> Answer:
        self.inside.set()
        assert self.go.wait(60)
        return super().answer(request)


class BusyDesk:
    """A planner in the middle of a task, what it publishes, and what holds it there."""

    def __init__(self, model: Model, file: Path) -> None:
        self.journal, self.busy, self.seen = Journal(file, model), Busy(model), Recorder()
        skills, seen = SkillCatalogue.of(SKILLS), self.seen
        self.planner = Planner(
            model, skills, SETTINGS, None, seen.on_plan, seen.on_event, generator=self.busy, journal=self.journal
        )
        self.planner.start()
        self.planner.submit(Task("long", "take your time", 60.0, received=time.monotonic()))
        assert self.busy.inside.wait(30)

    def close(self) -> None:
        self.busy.go.set()
        self.planner.close()
        self.journal.close()


def main(model: Path, file: Path) -> None:
    planner = BusyDesk(open_model(model, threads=1), file).planner
    print(flush=True)
    for number in itertools.count(1):
        match number % 3:
            case 0:
                planner.add_note(f"note {number}")
            case 1:
                planner.add_result("p", number, ResultStatus.FAILED, "slipped", "pick", {"object": "cup"})
            case _:
                planner.add_frame(frame(number, number, camera=f"camera {number}"))
        print(json.dumps({"number": number, "at": time.monotonic()}), flush=True)
        time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
