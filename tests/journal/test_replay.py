"""A past plan made again from the journal, bit by bit; and without a frame or a note."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.cli.app import run
from dgemma_ros.journal.archive import Archive
from dgemma_ros.journal.errors import JournalError
from dgemma_ros.journal.journal import Journal
from dgemma_ros.model import Model
from dgemma_ros.planning import Plan, Settings, SkillCatalogue
from dgemma_ros.planning.replay import Replayer
from tests.desk import Desk, frame

SETTINGS = Settings(max_frames=4, max_turns=2, frame_rate=1000.0, seed=5)


@contextmanager
def kept(file: Path, model: Model, skills: SkillCatalogue, settings: Settings = SETTINGS) -> Iterator[Desk]:
    about = {"folder": str(model.folder), "device": "cpu", "threads": "1"}
    journal = Journal(file, model, about=about)
    desk = Desk(model, skills, settings, journal=journal)
    desk.planner.start()
    try:
        yield desk
        desk.planner.stop()
        assert journal.flush()
    finally:
        desk.planner.close()
        journal.close()
    assert [event.text for event in desk.seen.events if event.kind in ("ERROR", "JOURNAL")] == []


@pytest.fixture
def session(tmp_path: Path, model: Model, skills: SkillCatalogue) -> tuple[Path, list[Plan]]:
    """Plans over frames, notes, evictions, a restart, pins and a budget that cuts an answer."""
    file, plans = tmp_path / "memory.db", []
    with kept(file, model, skills) as desk:
        for number in range(3):
            desk.planner.read_frame(frame(number, number))
            plans.append(desk.ask(f"pick up cube {number}"))
        desk.planner.add_note("mind the dog")
        plans.append(desk.ask(template_text="pick(object=____); place(object=____, target='left')"))
    with kept(file, model, skills) as desk:
        for number in range(3, 8):
            desk.planner.read_frame(frame(number, number))
        plans.append(desk.ask("after a restart"))
        desk.planner.update(replace(SETTINGS, confirm=True))
        plans.append(desk.ask("be sure"))
        for budget in (0.3, 0.08):
            plans.append(desk.ask("in a hurry", budget=budget))
    return file, plans


def test_every_plan_is_made_again_bit_by_bit(session: tuple[Path, list[Plan]], model: Model) -> None:
    file, plans = session
    with closing(Archive(file)) as archive:
        replayer = Replayer(archive, model)
        made = 0
        for plan in plans:
            if not plan.denoising_steps:
                continue
            again = replayer.again(plan.plan_id)
            assert again.equal, (plan.text, again.made.text, again.differences)
            assert again.made.steps == plan.steps and again.made.mean_entropy == plan.mean_entropy
            assert again.backend == again.recorded_backend
            made += 1
        assert made >= 5


def test_what_it_would_have_been_without_a_segment(session: tuple[Path, list[Plan]], model: Model) -> None:
    file, plans = session
    with closing(Archive(file)) as archive:
        replayer = Replayer(archive, model)
        state = archive.state_of(archive.plan(plans[2].plan_id) or pytest.fail())
        known = [placed.id for placed in state.placed]
        whole, less = replayer.anew(plans[2].plan_id), replayer.anew(plans[2].plan_id, [known[-1]])
        assert less.made.context_tokens < whole.made.context_tokens == plans[2].context_tokens
        with pytest.raises(JournalError, match=r"segment 999: plan .* does not rest on it; it rests on [0-9]"):
            replayer.anew(plans[2].plan_id, [999])


def test_what_cannot_be_made_again_says_why(
    session: tuple[Path, list[Plan]], model: Model, opened: Any, tmp_path: Path
) -> None:
    file, _ = session
    with closing(Archive(file)) as archive:
        with pytest.raises(JournalError, match="no plan nonsense"):
            Replayer(archive, model).again("nonsense")
        with pytest.raises(JournalError, match="of another model"):
            Replayer(archive, opened("plain"))


def test_commands(session: tuple[Path, list[Plan]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plans = session
    assert run(["journal", str(file), "--json", "--pictures", str(tmp_path / "pictures")]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [plan["plan_id"] for plan in listed["plans"]] == [plan.plan_id for plan in plans]
    frames = [entry for entry in listed["segments"] if entry["kind"] == "frame"]
    assert len(frames) == 8 == listed["pictures"] and all(entry["picture"] for entry in frames)
    assert sum(entry["remembered"] for entry in frames) == 4
    assert (tmp_path / "pictures" / f"{frames[0]['id']}.jpg").read_bytes().startswith(b"\xff\xd8")
    assert run(["journal", str(file)]) == 0
    assert "mind the dog" in capsys.readouterr().out

    assert run(["replay-plan", str(file), plans[1].plan_id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] and told["plan"]["text"] == plans[1].text
    rests_on = listed["plans"][1]["rests_on"]
    assert run(["replay-plan", str(file), plans[1].plan_id, "--without", str(rests_on[0])]) == 0
    shown = capsys.readouterr()
    assert f"without {rests_on[0]}:" in shown.out and "it would have been" in shown.err

    bound = max(2 * listed["bytes"] // 3, 300_000)
    assert run(["journal", str(file), "--keep-bytes", str(bound), "--json"]) == 0
    pruned = json.loads(capsys.readouterr().out)
    assert pruned["pruned"] > 0 and pruned["bytes"] <= bound
    for arguments in (["journal", "nowhere.db"], ["replay-plan", str(file), "none"], ["journal", "README.md"]):
        assert run(arguments) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
