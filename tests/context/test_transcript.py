"""What the log's segments are as tokens, and what is to be read next of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dgemma_ros.context.log import Log
from dgemma_ros.context.prompt import Pieces, make_pieces
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, TurnSegment
from dgemma_ros.context.transcript import Transcript
from dgemma_ros.model import Model
from dgemma_ros.planning import SkillCatalogue
from tests.desk import frame

SOFT = np.zeros((40, 4), np.float32)


@pytest.fixture
def pieces(model: Model, skills: SkillCatalogue) -> Pieces:
    return make_pieces(model.chat, skills)


@pytest.fixture
def transcript(model: Model, pieces: Pieces) -> Transcript:
    """Of a note, a frame, a turn and another note."""
    log = Log()
    log.append(NoteSegment(text="mind the dog and its many friends"))
    log.append(FrameSegment(frame=frame(1, 1), label="00:01", soft=SOFT))
    log.append(TurnSegment(task="what is there", reply=Reply((("stop", {}),))))
    log.append(NoteSegment(text="good"))
    return Transcript(model.chat, log, pieces)


def test_another_system_turn_counts_each_segment_anew(transcript: Transcript, pieces: Pieces) -> None:
    before = transcript.places.tokens
    transcript.declare(replace(pieces, reply=np.append(pieces.reply, pieces.reply[-1])))
    assert [new - old for old, new in zip(before, transcript.places.tokens, strict=True)] == [0, 0, 1, 0]
    transcript.declare(replace(pieces, user=f"{pieces.user}sir, "))
    assert np.sign(np.subtract(transcript.places.tokens, before)).tolist() == [1, 0, 0, 1]


def test_slices_cut_words_anywhere_and_pictures_never(transcript: Transcript) -> None:
    places, found = transcript.places, []
    while places.behind:
        reading, (places.read, places.partial) = transcript.slice(5)
        found.append(reading.count)
        assert 0 < reading.count <= 5 or (places.read == 2 and places.partial == 0)
    assert sum(found) == places.total and found.count(places.tokens[1]) == 1
    assert transcript.slice()[0].count == 0
    places.unread()
    whole, end = transcript.slice()
    assert (whole.count, end) == (places.total, (4, 0))


def test_what_an_error_keeps_out_of_the_log_is_not_counted(transcript: Transcript) -> None:
    before = transcript.places.ids, transcript.places.total
    coming = NoteSegment(id=9, text="never mind")
    needed = transcript.needed_by(coming)
    with pytest.raises(ValueError, match="no"), transcript.coming(coming):
        assert transcript.places.tokens_of(9) == needed
        transcript.places.read = 4
        assert transcript.slice()[0].count == needed  # it can be read before the log has it
        raise ValueError("no")
    assert (transcript.places.ids, transcript.places.total) == before


def test_it_follows_a_log_that_told_nobody(model: Model, pieces: Pieces) -> None:
    log = Log()
    made = Transcript(model.chat, log, pieces)
    assert made.up_to_date
    log.put_back([NoteSegment(id=3, text="one"), NoteSegment(id=5, text="two")])
    assert not made.up_to_date
    made.follow()
    assert made.up_to_date and made.places.ids == (3, 5) and made.places.read == 0


def test_what_a_task_needs_is_what_it_reads(transcript: Transcript) -> None:
    places = transcript.places
    places.read = len(places)
    task = transcript.task("pick the cup")
    assert task.count == len(task.ids) == transcript.needed_by_task("pick the cup")
    places.unread()
    behind = transcript.task("pick the cup", [NoteSegment(text="mind the dog")])
    assert behind.count > len(behind.ids) and behind.ids[-task.reply :].tolist() == task.ids[-task.reply :].tolist()
