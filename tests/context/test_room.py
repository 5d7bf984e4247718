"""How many tokens the bounds allow, and which of them is named where something does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dgemma_ros.context import memory
from dgemma_ros.context.recall import OVERHEAD
from dgemma_ros.context.room import Room
from dgemma_ros.errors import ContextFullError
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Settings, SkillCatalogue
from tests.desk import write_model

SPARE = 3000


@pytest.fixture(scope="module")
def room(model: Model) -> Room:
    return Room(model, SPARE)


def test_the_smallest_bound_holds_and_the_machines_share_only_where_none_is_set(room: Room) -> None:
    most, nbytes = room.model.session.max_rows, memory.used_bytes(room.model, 900)
    assert most > SPARE > 900
    assert room.limit(Settings()) == SPARE
    assert Room(room.model, most + 1).limit(Settings()) == most
    assert room.limit(Settings(context_tokens=most - 1)) == most - 1
    assert room.limit(Settings(context_tokens=most + 1)) == most
    assert room.limit(Settings(context_bytes=nbytes)) == 900
    assert room.limit(Settings(context_bytes=nbytes, context_tokens=800)) == 800
    assert room.limit(Settings(context_bytes=nbytes, context_tokens=1000)) == 900


def test_room_for_recalled_frames_is_kept_free(room: Room) -> None:
    own = room.model.images.soft_tokens
    assert room.recallable(Settings()) == 0
    assert room.recallable(Settings(recall=2)) == 2 * (own + OVERHEAD)
    assert room.recallable(Settings(recall=2, image_tokens=9)) == 2 * (9 + OVERHEAD)
    assert room.fillable(Settings(recall=1)) == SPARE - own - OVERHEAD
    blind = replace(room.model, config=replace(room.model.config, vision=None))
    assert Room(blind, SPARE).recallable(Settings(recall=2)) == 0


def test_the_bound_that_is_too_small_is_named(room: Room, skills: SkillCatalogue) -> None:
    needed = room.needed(skills, Settings())
    assert needed == len(room.pieces(skills, Settings()).system) + 16 + len(
        room.pieces(skills, Settings()).reply
    ) + 2 * (room.model.config.canvas_length)
    assert room.misfit(skills, Settings(context_tokens=needed)) == ""
    small = memory.used_bytes(room.model, needed - 1)
    for settings, begin in (
        (Settings(context_tokens=needed - 1), f"context_tokens: {needed - 1} is too small: skills, a task"),
        (Settings(context_tokens=needed + 9, context_bytes=small), f"context_bytes: {small} is too small, it holds"),
        (Settings(context_bytes=small), f"context_bytes: {small} is too small, it holds {needed - 1} tokens"),
        (
            Settings(context_tokens=needed, recall=1),
            f"context_tokens: {needed} is too small: skills, recalled frames, a",
        ),
    ):
        assert room.misfit(skills, settings).startswith(begin)
    assert "a quarter of the machine's free memory holds 100" in Room(room.model, 100).misfit(skills, Settings())


def test_where_the_model_itself_is_too_small_no_bound_is_named(
    room: Room, skills: SkillCatalogue, tmp_path: Path
) -> None:
    needed = room.needed(skills, Settings())
    small = open_model(write_model(tmp_path / "small", positions=needed - 1), threads=1)
    for settings in (Settings(), Settings(context_bytes=1 << 30)):
        why = Room(small, SPARE).misfit(skills, settings)
        assert why.endswith(f"need {needed} tokens, and this model holds no more than {needed - 1}: switch skills off")


def test_skills_that_leave_room_for_a_canvas_are_taken(room: Room, skills: SkillCatalogue) -> None:
    least = len(room.pieces(skills, Settings()).system) + room.model.config.canvas_length
    assert room.fitting_pieces(skills, Settings(context_tokens=least)).end
    with pytest.raises(ContextFullError, match=f"context_tokens: {least - 1} is too small"):
        room.fitting_pieces(skills, Settings(context_tokens=least - 1))


def test_what_fits_to_the_last_token_fits(room: Room) -> None:
    room.check(SPARE, "a thing", Settings())
    with pytest.raises(ContextFullError, match=f"a thing does not fit: the context holds {SPARE}"):
        room.check(SPARE + 1, "a thing", Settings())
    room.check_words("word " * 10, "a task", Settings())
    with pytest.raises(ContextFullError, match="a task of 100000 characters does not fit"):
        room.check_words("word " * 20000, "a task", Settings())
