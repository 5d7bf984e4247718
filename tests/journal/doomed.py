"""A process that remembers forty things a second, or as many as it can, says so, and is killed by the test.

``python -m tests.journal.doomed MODEL JOURNAL``: prints what came back, then each segment as it is remembered; each
line has the time, of the system's steady clock.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from hashlib import sha256
from pathlib import Path

from dgemma_ros.context.restoring import Pace
from dgemma_ros.context.segments import Segment
from dgemma_ros.model import open_model
from dgemma_ros.planning import SkillCatalogue
from tests.desk import SKILLS
from tests.journal.kept import content, keep


def say(**told: object) -> None:
    print(json.dumps(told | {"at": time.monotonic()}, default=str), flush=True)


def digest(segment: Segment) -> str:
    """Of all that it holds."""
    return sha256(json.dumps(content(segment), default=str).encode()).hexdigest()


def main(model: Path, journal: Path) -> None:
    opened = open_model(model, threads=1)
    kept = keep(journal, opened, SkillCatalogue.of(SKILLS), pace=Pace(at_once=200, slice=150))
    first = kept.context.log.segments
    say(warnings=kept.journal.warnings, newest=[segment.id for segment in first])
    slices = 0
    while kept.context.restoring is not None:
        kept.context.restore_slice()
        slices += 1
    say(back={segment.id: digest(segment) for segment in kept.context.log.segments}, slices=slices)
    begin = kept.context.log.segments[-1].id + 1 if kept.context.log.segments else 1
    for number in itertools.count(begin):
        match number % 5:
            case 0:
                kept.turn(number)
            case 1 | 3:
                kept.note(number)
            case _:
                kept.see(number, 60)
        segment = kept.context.log.segments[-1]
        say(id=segment.id, content=digest(segment))
        time.sleep(0.025)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
