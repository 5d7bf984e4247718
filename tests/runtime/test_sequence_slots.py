"""Which rows see which, after any history of appends, cuts, branches and canvases: exact, without a model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.sequence import Sequence, Snapshot
from dgemma_ros.runtime.visibility import VisionMask
from tests.cases import GOLDEN
from tests.runtime.slots import SCRATCH, SlotSession
from tests.runtime.test_visibility import prompts, whole_masks
from tests.tiny import Tiny, config_json

IMAGE = 1_000_000  # soft tokens of images are told from tokens by this


def session_of(window: int, canvas: int, layers: str = "SF", positions: int = 1 << 18) -> SlotSession:
    tiny = Tiny(layers=layers, window=window, canvas=canvas, positions=positions)
    return SlotSession(read_config(Section(GOLDEN, config_json(tiny))))


class History(RuleBasedStateMachine):
    """A sequence next to the plain list of its tokens, each of which is another number."""

    snapshots = Bundle("snapshots")

    @initialize(
        window=st.integers(2, 12),
        canvas=st.integers(1, 9),
        chunk=st.integers(1, 12),
        slack=st.one_of(st.none(), st.integers(0, 12)),
        layers=st.sampled_from(["SF", "FSSF", "F"]),
        mask=st.sampled_from(VisionMask),
    )
    def begin(self, window: int, canvas: int, chunk: int, slack: int | None, layers: str, mask: VisionMask) -> None:
        self.session = session_of(window, canvas, layers)
        self.sequence = Sequence(self.session, mask, chunk, slack)  # type: ignore[arg-type]
        self.mask, self.sliding = mask, "S" in layers
        self.tokens: list[int] = []
        self.types: list[int] = []
        self.fresh = 0
        self.peak = 0  # the longest it was since the last restore: slack is counted from there
        self.reach = 0  # the length of the last snapshot restored

    @rule(types=prompts(), planned=st.booleans(), data=st.data())
    def append(self, types: np.ndarray, planned: bool, data: st.DataObject) -> None:
        ids = np.arange(self.fresh, self.fresh + len(types))
        self.fresh += len(types)
        soft = ids[types == 1][:, None] + float(IMAGE)
        chunks = None
        if planned and len(types):
            allowed = [i for i in range(1, len(types)) if not types[i - 1] == types[i] == 1]
            cuts = sorted(data.draw(st.sets(st.sampled_from(allowed), max_size=5))) if allowed else []
            chunks = np.diff([0, *cuts, len(types)])
        # One image goes on where types of 1 meet, which two prompts never do.
        if self.types and len(types) and self.types[-1] == types[0] == 1:
            return
        self.session.seen.clear()
        self.sequence.append(ids, types, soft if len(soft) else None, chunks)
        start = len(self.tokens)
        self.tokens += np.where(types == 1, ids + IMAGE, ids).tolist()
        self.types += types.tolist()
        self.peak = max(self.peak, len(self.tokens))
        full, near = whole_masks(np.array(self.types), self.sequence.window, True, self.mask)
        tokens = np.array(self.tokens)
        for row, seen in enumerate(self.session.seen, start):
            assert seen[0] == tokens[full[row]].tolist()
            assert not self.sliding or seen[1] == tokens[near[row]].tolist()
        assert len(self.session.seen) == len(types)

    @rule()
    def denoise(self) -> None:
        self.session.seen.clear()
        self.sequence.open_canvas({})
        canvas = [SCRATCH] * self.session.config.canvas_length
        past = self.tokens[max(0, len(self.tokens) - (self.sequence.window - 1)) :]
        for full, near in self.session.seen:
            assert full == self.tokens + canvas
            assert not self.sliding or near == past + canvas

    @rule(back=st.integers(0, 30))
    def rollback(self, back: int) -> None:
        length = max(0, len(self.tokens) - back)
        try:
            self.sequence.rollback(length)
        except ContextError as error:
            assert "take a snapshot" in str(error)
            # Never without need: not within the slack, not where there are full layers alone.
            assert self.sliding and (self.peak - length > self.sequence.slack or length < self.reach)
            assert self.sequence.length == len(self.tokens)
        else:
            del self.tokens[length:], self.types[length:]
            self.reach = min(self.reach, length)

    @rule()
    def rollback_to_nothing(self) -> None:
        self.sequence.rollback(0)
        self.tokens, self.types, self.reach, self.peak = [], [], 0, 0

    @rule(target=snapshots)
    def snapshot(self) -> tuple[Snapshot, list[int], list[int]]:
        return self.sequence.snapshot(), self.tokens.copy(), self.types.copy()

    @rule(target=snapshots, taken=snapshots)
    def restore(self, taken: tuple[Snapshot, list[int], list[int]]) -> object:
        snapshot, tokens, types = taken
        void = self.tokens[: len(tokens)] != tokens
        try:
            self.sequence.restore(snapshot)
        except ContextError as error:
            assert void and "void" in str(error)
            assert self.sequence.length == len(self.tokens)
        else:
            assert not void
            self.tokens, self.types = tokens.copy(), types.copy()
            self.reach = self.peak = len(tokens)
        return multiple()

    @invariant()
    def same_length(self) -> None:
        if hasattr(self, "sequence"):
            assert self.sequence.length == len(self.tokens)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_snapshot_is_void_only_after_a_cut_below_it() -> None:
    sequence = Sequence(session_of(6, 3), slack=40, chunk=40)

    def append(count: int) -> None:
        sequence.append(np.arange(count))

    append(20)
    at_20 = sequence.snapshot()
    append(5)
    at_25 = sequence.snapshot()
    sequence.rollback(21)
    sequence.restore(at_20)  # 21 is not below 20
    with pytest.raises(ContextError, match=r"snapshot of 25 tokens is void.*cut back to 20"):
        sequence.restore(at_25)
    append(10)
    with pytest.raises(ContextError, match="void"):
        sequence.restore(at_25)  # other tokens stand there now
    sequence.restore(at_20)
    append(10)
    with pytest.raises(ContextError, match="take a snapshot"):
        sequence.rollback(19)  # a snapshot holds the window before it and no more
    sequence.rollback(0)
    append(50)
    with pytest.raises(ContextError, match=r"snapshot of 20 tokens is void.*cut back to 0"):
        sequence.restore(at_20)
    assert sequence.length == 50


def test_a_lower_cut_is_not_forgotten_for_a_later_one() -> None:
    sequence = Sequence(session_of(6, 3, "FF"))
    sequence.append(np.arange(15))
    at_15 = sequence.snapshot()
    sequence.rollback(14)
    with pytest.raises(ContextError, match="cut back to 14"):
        sequence.restore(at_15)  # one token is enough
    sequence.rollback(10)
    sequence.append(np.arange(15))
    at_25 = sequence.snapshot()
    sequence.rollback(20)
    sequence.append(np.arange(10))
    sequence.rollback(25)
    for snapshot, lowest in ((at_15, 10), (at_25, 20)):
        with pytest.raises(ContextError, match=f"cut back to {lowest}"):
            sequence.restore(snapshot)


def test_rollback_beyond_the_slack() -> None:
    sequence = Sequence(session_of(8, 4), chunk=4)
    sequence.append(np.arange(200))
    sequence.rollback(200 - sequence.slack)
    for length in (100, 5):
        with pytest.raises(ContextError, match=rf"cannot roll back from 196 to {length} tokens.*take a snapshot"):
            sequence.rollback(length)
    assert sequence.length == 196
    for length in (-1, 197):
        with pytest.raises(ContextError, match="the sequence has 196 tokens"):
            sequence.rollback(length)
    sequence.rollback(0)  # needs no rows
    sequence.append(np.arange(3))
    assert sequence.length == 3


def test_full_layers_alone_roll_back_anywhere() -> None:
    sequence = Sequence(session_of(8, 4, "FF"))
    sequence.append(np.arange(500))
    sequence.rollback(1)
    sequence.restore(sequence.snapshot())
    assert sequence.length == 1


@pytest.mark.parametrize("piece", [1, 7, 66])
def test_work_a_token_does_not_grow_with_the_context(piece: int) -> None:
    """Slots copied by the host are bounded by a constant for each token appended, however long the context gets."""
    session = session_of(64, 16)
    sequence = Sequence(session)
    total = 2000 - 2000 % piece
    for start in range(0, total, piece):
        sequence.append(np.arange(start, start + piece))
        session.seen.clear()
    cache: SlotSession = sequence.cache  # type: ignore[assignment]
    assert cache.copied[LayerKind.FULL] <= 10 * total
    assert cache.resizes[LayerKind.FULL] <= 35  # an eighth more each time
    keep = sequence.window - 1 + sequence.slack
    assert cache.copied[LayerKind.SLIDING] <= keep * (total / (sequence.chunk - piece) + 2)
    assert cache.resizes[LayerKind.SLIDING] == 1
    assert cache.capacity(LayerKind.SLIDING) == keep + sequence.chunk


def test_a_cache_grows_to_the_context_limit_and_not_beyond() -> None:
    session = session_of(8, 4, positions=100)
    sequence = Sequence(session)
    for start in range(0, 100, 10):
        sequence.append(np.arange(start, start + 10))
    assert sequence.cache.capacity(LayerKind.FULL) == 100 and sequence.length == 100
