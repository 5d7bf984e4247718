"""The timeline of what is remembered, drawn of an answer that a planner with two cameras once gave, and of bad ones."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dgemma_ros.console import timeline, timeline_svg
from dgemma_ros.console.age_axis import AgeAxis, age_text
from dgemma_ros.console.remembered import Remembered, as_json, read
from tests.cli.conftest import Command

RECORDED = Path(__file__).parent / "context_info.json"


def answer(**changes: Any) -> Any:
    """The recorded answer with other fields."""
    fields = json.loads(RECORDED.read_text()) | changes
    return json.loads(json.dumps(fields), object_hook=lambda fields: SimpleNamespace(**fields))


def segment(kind: str, summary: str) -> dict[str, Any]:
    return {"kind": kind, "tokens": 7, "stamp": {"sec": 0, "nanosec": 0}, "summary": summary}


def of(*segments: dict[str, Any], **changes: Any) -> Remembered:
    age = {"sec": 2, "nanosec": 500_000_000}
    return read(answer(segments=segments, newest_age=age, **changes), "/planner")


def drawn(remembered: Remembered, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(timeline.picture(remembered, width))
    return console.export_text().splitlines()


def pictures(remembered: Remembered) -> list[str]:
    """What the SVG says where the pointer rests."""
    root = ElementTree.fromstring(timeline_svg.picture(remembered))
    return [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]


def test_the_recorded_answer() -> None:
    told = answer()
    memory = read(told, "/robot/planner", 2_124_800)
    assert memory.cameras == ("front", "rear")
    assert len(memory.frames) == told.frames and all(frame.camera for frame in memory.frames)
    assert memory.system + sum(entry.tokens for entry in memory.entries) == memory.tokens
    newest_age = told.newest_age.sec + told.newest_age.nanosec / 1e9
    assert min(frame.age or 0.0 for frame in memory.frames) == pytest.approx(newest_age)
    assert [note.text for note in memory.of("note") if note.pinned] == ["the gripper is weak"]
    assert sum(memory.forgotten["front"].values()) + sum(memory.forgotten["rear"].values()) == memory.dropped["frame"]


def test_ages_are_those_of_the_frames_clock_and_words_lie_behind_their_frame() -> None:
    memory = of(
        segment("note", "hello"),
        segment("frame", "01:00 front, first"),
        segment("frame", "01:30 rear, changed by 0.20, pinned"),
        segment("task", "take it"),
        segment("frame", "101:00 front"),
    )
    assert [entry.age for entry in memory.entries] == [6002.5, 6002.5, 5972.5, 5972.5, 2.5]
    assert [(f.camera, f.reason, f.pinned) for f in memory.frames] == [
        ("front", "first", False),
        ("rear", "changed by 0.20", True),
        ("front", "", False),
    ]


def test_the_terminal_shows_every_row() -> None:
    memory = read(answer(), "/robot/planner", 2_124_800)
    lines = drawn(memory)
    text = "\n".join(lines)
    for camera in memory.cameras:
        assert timeline.counted(one for one in memory.frames if one.camera == camera) in text
    assert f"{memory.tokens} of {memory.limit} tokens" in text and "2.1 MB" in text
    assert all(entry.text[:60] in text for entry in memory.entries if entry.kind in ("note", "task"))
    assert "now" in text and timeline.KEYFRAME in text and f"{memory.forgotten['front']['thinned']} thinned out" in text


@pytest.mark.parametrize("width", [36, 80, 200])
def test_the_terminal_cuts_rows_and_never_wraps_them(width: int) -> None:
    lines = drawn(read(answer(), "/robot/planner"), width)
    assert max(map(len, lines)) <= width
    bars = [line for line in lines if any(block in line for block in "▁▂▃▄▅▆▇")]
    assert len(bars) == 2, "one line for each camera"


def test_marks_lie_where_their_ages_do() -> None:
    memory = of(segment("frame", "00:00, first"), segment("note", "n"), segment("frame", "00:50"))
    lines = drawn(memory, 65)
    marks = next(line for line in lines if timeline.KEYFRAME in line)
    notes = next(line for line in lines if line.startswith("notes"))
    bars = next(line for line in lines if "▁" in line)
    assert marks.index(timeline.KEYFRAME) == 15 == notes.index(timeline.MARKS["note"]) == bars.index("▁")
    assert 50 < bars.rindex("▁") < 65


def test_the_svg_has_a_mark_for_every_entry_but_plans() -> None:
    memory = read(answer(), "/robot/planner")
    titles = pictures(memory)
    assert len(titles) == len(memory.entries) - len(memory.of("plan"))
    plan = memory.of("plan")[0]
    assert sum(plan.text in title for title in titles) == 1


def test_words_steer_neither_terminal_nor_picture() -> None:
    memory = of(
        segment("frame", "00:00 <b>, first"), segment("note", "\x1b[2J</title>[red]&\x00"), segment("odd\x07", "")
    )
    text = "\n".join(drawn(memory))
    assert "\x1b" not in text and "[red]&" in text
    assert any("</title>[red]&" in title for title in pictures(memory))


def test_an_empty_memory_has_no_axis() -> None:
    memory = of(segment("system", "6 skills"), segment("note", "hello"), dropped_kinds=[], dropped_counts=[])
    lines = drawn(memory)
    assert "no frame is remembered" in lines and "nothing was forgotten so far" in lines
    assert any("hello" in line for line in lines) and not any("now" in line for line in lines)
    assert pictures(memory) == ["note hello, 7 tokens"]
    assert as_json(memory)["entries"] == [{"kind": "note", "age": None, "tokens": 7, "text": "hello", "pinned": False}]


@given(st.lists(st.floats(0, 1e7), min_size=2), st.floats(0, 1e7))
def test_the_axis_runs_one_way(ages: list[float], oldest: float) -> None:
    axis = AgeAxis(oldest)
    places = [axis.at(age) for age in sorted(ages)]
    assert places == sorted(places, reverse=True) and all(0.0 <= place <= 1.0 for place in places)
    assert axis.at(0.0) == 1.0 and axis.at(max(oldest, 1.0)) == pytest.approx(0.0)
    ticks = axis.ticks(0.1)
    assert ticks[-1] == (1.0, "now") and all(b - a >= 0.1 for (a, _), (b, _) in itertools.pairwise(ticks))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (90, "1 min 30 s"), (3590, "1 h"), (3900, "1 h 5 min")),
        *((86_399, "1 d"), (183_600, "2 d 3 h")),
    ],
)
def test_ages_in_words(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


def test_a_picture_is_an_svg(dgemma: Command, tmp_path: Path) -> None:
    assert "ends in .svg" in dgemma("context", "--image", tmp_path / "a.png").mistake
