"""Sessions are what the planner's log would be, and every leaf's answer follows from what it may know."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.checkpoint.tokenizer import Tokenizer as Tokens
from dgemma_ros.context.prompt import make_pieces
from dgemma_ros.context.rendering import Renderer
from dgemma_ros.context.results import ResultStatus, SkillResult
from dgemma_ros.context.segments import FrameSegment, NoteSegment, Reply, ResultSegment, Segment, TurnSegment
from dgemma_ros.skills.catalogue import SkillCatalogue
from training import batches, prompt, sessions, tasks, words
from training.checkpoint_sizes import CANVAS, POSITIONS
from training.sessions import Session, Shape


@pytest.fixture(scope="module")
def drawn() -> list[Session]:
    """As training draws them; every other one begins with what the planner keeps of a longer talk."""
    rng = np.random.default_rng(8)
    used = Shape(past=1.0, filled=True)
    return [sessions.sample(rng, used if number % 2 else Shape()) for number in range(150)]


@pytest.fixture(scope="module")
def writer() -> batches.Writer:
    return batches.Writer(Tokenizer.from_file(str(prompt.NANO / "tokenizer.json")))


def test_every_kind_is_asked_after_all_that_can_come_before(drawn: list[Session]) -> None:
    leaves = [leaf for session in drawn for leaf in session.leaves]
    assert {leaf.task.kind for leaf in leaves} == set(tasks.KINDS)
    assert {leaf.after for leaf in leaves} >= {"frame", "turn", "note", "result"}


def test_a_log_is_cut_as_the_planner_cuts_it(drawn: list[Session], writer: batches.Writer) -> None:
    """Pieces encoded one by one equal the whole."""
    for session in drawn[:40]:
        ids, _ = writer.trunk(session)
        text = "<|turn>"
        for piece in session.pieces:
            soft = batches.CELLS[session.size]
            picture = f"<|image>{'<|image|>' * soft}<image|>" if piece.picture >= 0 else ""
            text += piece.words + piece.control + picture
        assert [i for own in ids for i in own] == writer.ids(text)
        turns = [p for p in session.pieces if p.kind == "turn"]
        assert all(prompt.parse_plan(p.control.split("<channel|>")[1]) == list(p.plan) for p in turns)


def test_a_row_holds_its_leaves_and_their_answers(drawn: list[Session], writer: batches.Writer) -> None:
    rng = np.random.default_rng(2)
    for session in drawn[:40]:
        row = writer.row(rng, session, batches.SHORT.length, 0)
        if row is None:
            continue
        for number, leaf in enumerate(session.leaves):
            if row["kind"][number] < 0:
                continue
            asked = (row["leaf"] == number) & (row["question"] > 0)
            assert writer.tokenizer.decode(row["ids"][asked].tolist(), skip_special_tokens=False) == (
                leaf.words + prompt.REPLY
            )
            assert (row["see"][asked] == row["branch"][number]).all()
            told = row["ids"][(row["leaf"] == number) & (row["told"] > 0)].tolist()
            answer = [i for i in row["answer"][number].tolist() if i]
            assert told in ([], answer)
            assert row["start"][number] == row["branch"][number] + asked.sum()
        assert 0 <= row["position"].max() < POSITIONS - CANVAS


def test_what_is_left_to_do_follows_from_results_and_the_newest_picture() -> None:
    red, blue = (sessions.Object(c, "ball", "left side", 0.2, y) for c, y in (("red", 0.2), ("blue", 0.5)))
    plan = (tasks.place("red ball", "left tray"), tasks.place("blue ball", "left tray"))

    def left(*told: tuple[ResultStatus, str], now: tuple[sessions.Object, ...] = (red, blue)) -> tasks.Plan | None:
        results = tuple(tasks.Outcome(call, *t) for call, t in zip(plan, told, strict=False))
        return tasks.remaining(tasks.View((now,), ("put both", plan), results))

    done, failed = (ResultStatus.SUCCEEDED, ""), ResultStatus.FAILED
    assert left(done, done) == (tasks.DONE,)
    assert left(done, (failed, tasks.SLIPPED)) == plan[1:]
    assert left((failed, tasks.NOT_REACHABLE)) == plan[1:]
    assert left(done, (failed, tasks.NOT_REACHABLE)) == (tasks.say(tasks.CANNOT),)
    assert left((failed, tasks.NOT_FOUND)) == (tasks.look("red ball"),)
    assert left((failed, tasks.NO_ROOM)) == tuple(tasks.place(n, "right tray") for n in ("red ball", "blue ball"))
    there = sessions.Object("red", "ball", "left tray", 0.2, 0.8)
    assert left((ResultStatus.UNKNOWN, ""), now=(there, blue)) == plan[1:]
    assert left((ResultStatus.TIMED_OUT, "")) == plan


def test_what_the_planner_forgets_is_not_there_when_a_talk_goes_on() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        talk = sessions.Talk(rng, Shape(rear=0.0))
        for number in range(4):
            talk.round(number == 0)
        before = talk.session
        talk.keep()
        kinds = [piece.kind for piece in talk.session.pieces]
        assert not talk.session.leaves and kinds.count("turn") <= 1
        assert kinds.count("frame") == min(3, sum(p.kind == "frame" for p in before.pieces)) == len(talk.view.moments)
        assert [p.moment for p in talk.session.pictures] == list(talk.view.moments)
        assert all(p.history == talk.view.moments[: i + 1] for i, p in enumerate(talk.session.pictures))


def test_kinds_are_asked_as_often_as_they_are_weighted() -> None:
    rng = np.random.default_rng(6)
    shape = Shape(mix=(("sort", 50.0), ("edit_add", 0.0)), filled=True)
    kinds = [leaf.task.kind for _ in range(20) for leaf in sessions.sample(rng, shape).leaves]
    assert kinds.count("sort") > len(kinds) / 3 and "edit_add" not in kinds


def test_what_a_note_forbids_is_asked_for_when_a_shape_says_so() -> None:
    """Of the tasks that would move something behind a note that forbids one thing or tray."""

    def share(forbidden: float) -> float:
        rng, asked, touching = np.random.default_rng(12), 0, 0
        shape = Shape(filled=True, notes=0.6, heed=2.0, forbidden=forbidden)
        for _ in range(150):
            talk = sessions.Talk(rng, shape)
            made = talk.run()
            if talk.view.broken or not (talk.view.hands_off or talk.view.closed):
                continue
            moving = [leaf.task for leaf in made.leaves if leaf.task.kind in sessions.MOVERS]
            asked, touching = asked + len(moving), touching + sum(task.forbidden for task in moving)
            assert all(task.plan == (tasks.say(tasks.CANNOT),) for task in moving if task.forbidden)
        return touching / asked

    assert share(0.0) < 0.4 < share(0.4) < 0.9


def test_words_never_met_are_one_token_and_asked_of_no_planner(writer: batches.Writer) -> None:
    rng = np.random.default_rng(7)
    shape = Shape(unknown=1.0, mix=(("cannot", 20.0), ("unclear", 20.0)), filled=True)
    leaves = [leaf for _ in range(10) for leaf in sessions.sample(rng, shape).leaves]
    unmet = [leaf for leaf in leaves if words.UNKNOWN in leaf.words]
    assert {leaf.task.kind for leaf in unmet} == {"cannot", "unclear"}
    for leaf in unmet:
        assert writer.ids(leaf.words).count(writer.unknown) == leaf.words.count(words.UNKNOWN)
    plain = [leaf for _ in range(10) for leaf in sessions.sample(rng, Shape(filled=True)).leaves]
    assert not [leaf for leaf in plain if words.UNKNOWN in leaf.words]


def test_a_plan_is_changed_after_a_newer_picture_too() -> None:
    rng, after = np.random.default_rng(9), set[str]()
    for _ in range(1000):  # a newer picture is seldom
        leaves = sessions.sample(rng, Shape(filled=True)).leaves
        after |= {leaf.after for leaf in leaves if leaf.task.kind in tasks.EDIT}
        if {"turn", "frame"} <= after:
            break
    assert {"turn", "frame"} <= after


def test_held_out_words_are_never_drawn_for_training() -> None:
    rng = np.random.default_rng(3)
    known = {leaf.words for _ in range(60) for leaf in sessions.sample(rng).leaves}
    for lines in words.HELD_WORDINGS.values():
        plain = {w for w in lines if "{" not in w and len(w.split()) > 2}
        assert not {w for w in plain if any(w in text.lower() for text in known)}
    held = {leaf.words for _ in range(30) for leaf in sessions.sample(rng, Shape(source="held")).leaves}
    assert any("please shove" in text.lower() for text in held)


def test_training_reads_what_the_planner_reads(drawn: list[Session], writer: batches.Writer) -> None:
    """Every piece of a log, rendered by the planner's own code, has the ids that training gives it."""
    chat = ChatTemplate.load(prompt.NANO, Tokens.load(prompt.NANO))
    renderer = Renderer(chat, make_pieces(chat, SkillCatalogue.load(prompt.NANO / "skills.yaml")))
    for session in drawn[:60]:
        carry = renderer.pieces.user
        ids, _ = writer.trunk(session)
        for piece, ours in zip(session.pieces, ids, strict=True):
            rendered = renderer.render(_segment(session, piece))
            opened = [] if piece is not session.pieces[0] else [chat.tokenizer.id("<|turn>")]
            assert [*opened, *renderer.ids(rendered, carry).tolist()] == ours, piece
            carry = rendered.carry
    system = chat.tokenizer.encode(prompt.system_text() + "<|turn>", trusted=True)
    assert system == renderer.pieces.system.tolist()


def _segment(session: Session, piece: sessions.Piece) -> Segment:
    if piece.kind == "frame":
        soft = np.zeros((batches.CELLS[session.size], 1), np.float32)
        label = piece.words.split("\n")[-1].strip()
        return FrameSegment(label=label, soft=soft, frame=None)  # type: ignore[arg-type]
    if piece.kind == "note":
        return NoteSegment(text=piece.says)
    if piece.kind == "turn":
        return TurnSegment(task=piece.says, reply=Reply(piece.plan))
    assert piece.told is not None
    skill, arguments = piece.told.call
    result = SkillResult(skill, arguments, piece.told.status, piece.told.reason)
    return ResultSegment(plan_id="", step=0, result=result)
