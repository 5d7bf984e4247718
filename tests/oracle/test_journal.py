"""Edits as in :mod:`test_edits`, with restarts between them: what comes back is the reference's cache still."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis.stateful import rule

from dgemma_ros.checkpoint.config import LayerKind
from dgemma_ros.journal.row_codec import RowCodec
from dgemma_ros.runtime.rows import layers_of
from dgemma_ros.runtime.sequence import Sequence
from tests.oracle.test_edits import Edits


class Restarts(Edits):
    """Rows become bytes and rows again, in a sequence that was never written to, also behind evictions and shifts."""

    restarts = 0

    @rule()
    def restart(self) -> None:
        before, codec = self.ours, RowCodec.of(self.model, self.ours.cache.dtype)
        window = before.export_window()
        again = Sequence(before.session, before.vision_mask, before.chunk, before.slack)
        if len(window):
            window = codec.unpack_window(codec.pack_window(window), window.order, window.position, len(window))
        again.restore_window(window, before.layout)
        rows = before.export_rows(0, before.length, with_keys=True)
        ends = np.flatnonzero((np.diff(rows.orders) != 1) | (np.diff(rows.positions) != 1)) + 1
        for start, stop in zip([0, *ends], [*ends, before.length], strict=True):
            if start < stop:
                part = rows.part(start, stop)
                stored = codec.pack(part)
                again.restore_rows(codec.unpack(*stored, *part.first, len(part)))
        self.ours = again
        Restarts.restarts += 1
        for layer in layers_of(before.config, LayerKind.FULL) + layers_of(before.config, LayerKind.SLIDING):
            for ours, others in zip(again.rows(layer.index), before.rows(layer.index), strict=True):
                np.testing.assert_array_equal(ours, others)  # every bit
        self.compare()  # with the reference


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=10, stateful_step_count=15, deadline=None, derandomize=True)


def test_there_were_restarts() -> None:
    """Runs behind the others."""
    assert Restarts.restarts > 5
