"""SIGKILL at random moments, again and again: each time all is back that is older than a second."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

from dgemma_ros.journal.archive import Archive
from dgemma_ros.model import Model
from tests.journal.kept import SETTINGS

KILLS = int(os.environ.get("DGEMMA_KILLS", "6"))
"""How often; issue 13 asks for 50."""


def run_for(seconds: float, model: Path, journal: Path) -> tuple[list[dict[str, Any]], float]:
    """What it said, and when it was killed, so long after it was ready."""
    command = [sys.executable, "-m", "tests.journal.doomed", str(model), str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline(), process.stdout.readline()]
            reader = Thread(target=lines.extend, args=(process.stdout,))  # or it would wait for a pipe that is full
            reader.start()
            time.sleep(seconds)
        finally:
            killed = time.monotonic()
            process.kill()
        reader.join()
    said = []
    for line in lines:
        try:
            said.append(json.loads(line))
        except ValueError:
            assert line == lines[-1], line  # the kill cut it
    return said, killed


def test_all_that_is_older_than_a_second_is_back(model: Model, tmp_path: Path) -> None:
    journal, chance = tmp_path / "memory.db", random.Random(13)
    told: dict[int, tuple[float, Any]] = {}
    killed, losses, tellings = 0.0, [], 0
    for number in range(KILLS + 1):
        said, now = run_for(chance.uniform(0.0, 2.0), model.folder, journal)
        assert said[0]["warnings"] == []
        back = said[1]["back"]
        old = {own: text for own, (at, text) in told.items() if at < killed - 1.0}
        newest = max(map(int, back), default=0)  # ids behind it were lost, and given anew since
        with closing(Archive(journal)) as archive:
            kept = {entry.id for entry in archive.segments() if entry.id <= newest}
        assert set(old) <= kept, f"kill {number}: {sorted(set(old) - kept)} are gone"
        assert all(told[int(own)][1] == text for own, text in back.items() if int(own) in told)
        if old:  # the last of them are remembered, not only kept
            assert max(old) <= max(map(int, back))
            assert len(back) >= min(len(old), SETTINGS.max_frames)
            lost = [at for own, (at, _) in told.items() if own not in kept]
            losses.append(killed - min(lost) if lost else 0.0)
        told = {own: entry for own, entry in told.items() if own in kept}
        told |= {line["id"]: (line["at"], line["content"]) for line in said[2:]}
        killed, tellings = now, tellings + len(said) - 2
        print(f"kill {number}: {tellings} told so far, {losses[-1:]} s lost")
    assert len(losses) >= KILLS // 2 and max(losses) < 1.0, losses
