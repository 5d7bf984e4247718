"""The sequence that the mirror changes, and whether it is known what it holds: what copes with work that breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dgemma_ros.model import Model
from dgemma_ros.runtime.contract import Ints
from dgemma_ros.runtime.sequence import Sequence, Snapshot


class GuardedSequence:
    """Begins with the system turn. For the thread that has the model.

    While something is being changed, and after an error, it is not :attr:`known` what it holds; ``on_doubt`` is told of
    the latter. Then :meth:`restart` comes before anything else.
    """

    def __init__(self, model: Model, on_doubt: Callable[[], None]) -> None:
        self._model, self._on_doubt = model, on_doubt
        self._sequence: Sequence | None = None
        self._base: Snapshot | None = None
        self.known = False
        """Whether it holds the system turn, and what was put behind it since."""
        self.epoch = 0
        """Another whenever all of it was read anew."""

    @property
    def sequence(self) -> Sequence:
        """As it was left by whoever had it last."""
        assert self._sequence is not None
        return self._sequence

    @property
    def base_length(self) -> int:
        """Rows of the system turn."""
        assert self._base is not None
        return self._base.length

    def doubt(self) -> None:
        """It is not known any more what it holds."""
        self.known = False
        self._on_doubt()

    @contextmanager
    def changing(self) -> Iterator[Sequence]:
        """Meanwhile, and after an error, it is not known what it holds."""
        assert self.known
        self.known = False
        try:
            yield self.sequence
        except BaseException:
            self.doubt()
            raise
        self.known = True

    def restart(self, system: Ints, anew: bool) -> None:
        """It holds the system turn and nothing else; in a cache of its own where it is not known, or asked for."""
        anew = anew or not self.known
        self.doubt()
        self.epoch += 1
        if anew:
            self._sequence = None  # first: two caches at once may be too many
            sequence = self._model.sequence()
            sequence.append(system)
            self._base, self._sequence = sequence.snapshot(), sequence
        else:
            assert self._base is not None
            self.sequence.restore(self._base)
        self.known = True
