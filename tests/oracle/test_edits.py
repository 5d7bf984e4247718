"""Appends, canvases, roll-backs, branches, evictions and shifts, in any order: as the reference's edited cache."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from dgemma_ros.errors import ContextError
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime.sequence import Sequence, Snapshot
from dgemma_ros.runtime.visibility import VisionMask
from tests.cases import make_case
from tests.oracle import reference
from tests.oracle.edited import Edited
from tests.runtime.test_visibility import prompts
from tests.tiny import TINIES, Noise, make

CLOSE, CLOSE_LOGITS = 1e-4, 5e-4
NAMES = ("small_window", "odd_pattern", "all_full", "images")


@cache
def judged(name: str) -> tuple[Model, reference.Model]:
    tiny = TINIES[name].with_(feedback=0.03)
    folder = make(Path(mkdtemp(prefix="dgemma-edits-")) / name, tiny)
    return open_model(folder, threads=1), reference.load(folder)


class Edits(RuleBasedStateMachine):
    """Ours beside the judge's, compared after every change."""

    branches = Bundle("branches")
    edits = 0

    @initialize(
        name=st.sampled_from(NAMES),
        mask=st.sampled_from(VisionMask),
        chunk=st.integers(1, 20),
        slack=st.integers(0, 20),
    )
    def begin(self, name: str, mask: VisionMask, chunk: int, slack: int) -> None:
        model, judge = judged(name)
        self.model, self.ours = model, Sequence(model.session, mask, chunk, slack)
        self.judge = Edited(judge, str(mask))
        self.last = 0  # the type of the last row appended
        self.count = 0

    @rule(types=prompts())
    def append(self, types: np.ndarray) -> None:
        if not len(types) or self.last == types[0] == 1:  # two prompts never meet within an image
            return
        self.count += 1
        noise, text = Noise("edits", self.count), self.ours.config.text
        ids = noise.integers(0, text.vocab_size, types.shape)
        soft = noise.normal((int(types.sum()), text.hidden_size)).astype(np.float32) if types.any() else None
        self.ours.append(ids, types, soft)
        self.judge.append(ids, types, soft)
        self.last = int(types[-1])
        self.compare()

    @rule()
    def denoise(self) -> None:
        if not self.judge.order:
            return
        config = self.ours.config
        canvases = Noise("canvas", self.count).integers(0, config.text.vocab_size, (2, config.canvas_length))
        canvas = self.ours.open_canvas({}, with_logits=True)
        feeds = {"temperature": np.array([0.7], np.float32)}
        ours = np.stack([np.asarray(canvas.step({"canvas": row, **feeds}).logits) for row in canvases])
        assert np.abs(ours - self.judge.logits(canvases, 0.7)).max() < CLOSE_LOGITS
        self.compare()

    @rule(back=st.integers(0, 30))
    def rollback(self, back: int) -> None:
        length = max(0, self.ours.length - back)
        try:
            self.ours.rollback(length)
        except ContextError as error:
            assert "take a snapshot" in str(error)
        else:
            self.judge.rollback(length)
            self.last = 0 if back else self.last
            self.compare()

    @rule(target=branches)
    def snapshot(self) -> tuple[Snapshot, Edited]:
        return self.ours.snapshot(), self.judge.copy()

    @rule(branch=branches)
    def restore(self, branch: tuple[Snapshot, Edited]) -> None:
        try:
            self.ours.restore(branch[0])
        except ContextError as error:
            assert "void" in str(error) or "another sequence" in str(error)
        else:
            self.judge = branch[1].copy()
            self.last = 0
            self.compare()

    @rule(start=st.floats(0, 1), count=st.integers(1, 25))
    def evict(self, start: float, count: int) -> None:
        first = round(start * self.ours.length)
        count = min(count, self.ours.length - first)
        self.ours.evict(first, count)
        self.judge.evict(first, count)
        Edits.edits += 1
        self.compare()

    @rule(start=st.floats(0, 1), delta=st.one_of(st.integers(-40, 40), st.integers(-300, 3000)), closing=st.booleans())
    def shift(self, start: float, delta: int, closing: bool) -> None:
        first = round(start * self.ours.length)
        if closing:  # the gap before the row, if there is one
            below = self.judge.positions[first - 1] + 1 if first else 0
            delta = below - [*self.judge.positions, self.judge.position][first]
        try:
            self.ours.shift(first, delta)
        except ContextError as error:
            assert "lowest that is free" in str(error)
        else:
            self.judge.shift(first, delta)
            Edits.edits += 1
            self.compare()

    @rule(start=st.floats(0, 1))
    def close_gaps(self, start: float) -> None:
        first = round(start * self.ours.length)
        if not first and self.ours.length and self.judge.positions[0]:
            return  # the first row's own position is nobody's gap
        self.ours.close_gaps(first)
        self.judge.close_gaps(first)
        Edits.edits += 1
        self.compare()

    def compare(self) -> None:
        assert (self.ours.length, self.ours.position) == (len(self.judge.orders), self.judge.position)
        for layer in self.ours.config.text.layers if self.judge.cache.layers else ():
            for ours, theirs in zip(self.ours.rows(layer.index), self.judge.rows(layer.index), strict=True):
                assert ours.shape == theirs.shape
                assert np.abs(ours - theirs).max(initial=0) < CLOSE


TestEdits = Edits.TestCase
# Always the same examples: where two experts are equally likely but for rounding, a row may go to either.
TestEdits.settings = settings(max_examples=60, stateful_step_count=25, deadline=None, derandomize=True)


def test_enough_was_edited() -> None:
    """Runs behind the others."""
    if not Edits.edits:
        pytest.skip("the edits were not run")
    assert Edits.edits > 200


@pytest.mark.parametrize("mask", VisionMask)
def test_unedited_it_is_the_reference(mask: VisionMask) -> None:
    """The driver judged: its masks are the reference's own."""
    ours, judge = judged("small_window")
    case = make_case(ours.config, 3, prompt=40, images=2, steps=1, pieces=1, vision_mask=str(mask))
    with_images = reference.prefill(judge, case)
    types = case["token_types"]
    soft = np.concatenate(
        [ours.soft_tokens(p, q) for p, q in zip(case["patches"], case["patch_positions"], strict=True)]
    )
    edited = Edited(judge, str(mask))
    edited.append(case["input_ids"], types, soft)
    for index, layer in enumerate(with_images.layers):
        keys, values = edited.rows(index)
        assert np.abs(keys - layer.keys[0].numpy()).max() < CLOSE
        assert np.abs(values - layer.values[0].numpy()).max() < CLOSE
