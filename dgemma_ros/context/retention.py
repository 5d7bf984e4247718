"""Which segments are forgotten: by a ladder of age, and where the context holds more than it may.

Frames are of three kinds. *Pinned* ones a plan rests on while it is carried out. *Keyframes* are those where the
picture changed. The others thin out with age (:mod:`dgemma_ros.context.ladder`), of each camera by itself. Where a
bound is passed, the first to go are frames that are no keyframes, oldest first; then all else, oldest first; and only
where that is not enough, pinned frames, the newest one of each camera, and pinned notes. The system turn never goes.

What happens depends on the log and on the seconds that its frames say, on no clock, so it can be made again. A frame
costs the same however long the history is: each kind is kept in a queue of its own.

Longer than most files by a little: the queues of the kinds are kept in step by each other.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dgemma_ros.context.ladder import Ladder
from dgemma_ros.context.results import ResultStatus
from dgemma_ros.context.segments import FrameSegment, NoteSegment, ResultSegment, Segment, TurnSegment


class Reason(StrEnum):
    """Why something was forgotten."""

    THINNED = "thinned"
    """By the ladder."""
    AGED = "aged"
    """A keyframe older than ``max_frame_age``, or a note older than ``max_note_age``."""
    NUMBER = "number"
    """There were more of its kind than ``max_frames``, ``max_turns`` or ``max_notes``."""
    ROOM = "room"
    """The tokens were needed."""
    ASKED = "asked"
    """Somebody asked for it."""


@dataclass(frozen=True)
class Limits:
    """What may stay."""

    frames: int
    turns: int
    notes: int
    tokens: int
    """Of all segments together."""
    ladder: Ladder
    age: float
    """Seconds for which a keyframe stays."""
    note_age: float = float("inf")
    """Seconds for which a note stays that is not pinned."""


@dataclass(frozen=True)
class Coming:
    """What is about to be appended, for which there must be room."""

    camera: str | None = None
    """Of a frame."""
    seconds: float = 0.0
    """That it says."""
    notes: int = 0


@dataclass
class CameraRecord:
    """One camera's frames."""

    newest: FrameSegment | None = None
    count: int = 0
    """Frames ever, so the number of the next one."""
    kept: int = 0
    keyframes: int = 0
    forgotten: Counter[Reason] = field(default_factory=Counter)


class Retention:
    """A :class:`~dgemma_ros.context.log.LogListener` that knows what goes next. Not thread-safe.

    ``tokens`` says how many a segment has, by its id.
    """

    def __init__(self, tokens: Callable[[int], int]) -> None:
        self._tokens = tokens
        self.cameras: dict[str, CameraRecord] = {}
        self.now = 0.0
        """The seconds that the newest frame says."""
        self._ordinary: OrderedDict[int, FrameSegment] = OrderedDict()
        self._keyframes: OrderedDict[int, FrameSegment] = OrderedDict()
        self._notes: OrderedDict[int, Segment] = OrderedDict()  # and results whose plan is not remembered
        self._pinned_notes: OrderedDict[int, NoteSegment] = OrderedDict()
        self._turns: OrderedDict[int, TurnSegment] = OrderedDict()
        self._results: defaultdict[str, list[ResultSegment]] = defaultdict(list)
        self._ladder = Ladder()
        self._due: dict[float, deque[tuple[float, int]]] = {}  # of each lifetime, when its frames pass it

    # -- the log ------------------------------------------------------------------------------------------------------

    def appended(self, segment: Segment) -> None:
        """Counts it."""
        match segment:
            case FrameSegment():
                self.now = max(self.now, segment.seconds)
                record = self.cameras.setdefault(segment.frame.camera, CameraRecord())
                record.newest, record.count = segment, max(record.count, segment.number + 1)
                record.kept += 1
                record.keyframes += bool(segment.kept)
                self._queue_of(segment)[segment.id] = segment
                self._schedule(segment)
            case TurnSegment():
                self._turns[segment.id] = segment
            case NoteSegment(pinned=True):
                self._pinned_notes[segment.id] = segment
            case ResultSegment() if self._turn_of(segment.plan_id) is not None:
                self._results[segment.plan_id].append(segment)
            case _:
                self._notes[segment.id] = segment

    def evicted(self, segments: tuple[Segment, ...]) -> None:
        """Counts them no more."""
        for segment in segments:
            if isinstance(segment, FrameSegment):
                record = self.cameras[segment.frame.camera]
                record.kept -= 1
                record.keyframes -= bool(segment.kept)
                self._queue_of(segment).pop(segment.id, None)
                if record.newest is segment:
                    record.newest = self._newest_of(segment.frame.camera)
            elif isinstance(segment, ResultSegment) and segment.plan_id in self._results:
                left = [other for other in self._results.pop(segment.plan_id) if other.id != segment.id]
                if left:
                    self._results[segment.plan_id] = left
            for queue in (self._turns, self._notes, self._pinned_notes):
                queue.pop(segment.id, None)
        if not self.frames:  # the next one begins at 0 seconds again
            self.now, self._due = 0.0, {}

    def _newest_of(self, camera: str) -> FrameSegment | None:
        found = (
            next((segment for segment in reversed(queue.values()) if segment.frame.camera == camera), None)
            for queue in (self._ordinary, self._keyframes)
        )
        return max((one for one in found if one is not None), key=lambda segment: segment.id, default=None)

    def _is_frame(self, number: int) -> bool:
        return number in self._ordinary or number in self._keyframes

    def rebuild(self, segments: Iterable[Segment]) -> None:
        """The log holds these now, some of which came without a word; what was forgotten stays counted."""
        forgotten = {camera: (record.forgotten, record.count) for camera, record in self.cameras.items()}
        self.__init__(self._tokens)  # type: ignore[misc]
        for camera, (counts, count) in forgotten.items():
            self.cameras[camera] = CameraRecord(count=count, forgotten=counts)
        for segment in segments:
            self.appended(segment)

    def _queue_of(self, segment: FrameSegment) -> OrderedDict[int, FrameSegment]:
        return self._keyframes if segment.kept else self._ordinary

    def _turn_of(self, plan_id: str) -> TurnSegment | None:
        return next((turn for turn in self._turns.values() if plan_id and turn.plan_id == plan_id), None)

    # -- what there is ------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """How many are kept."""
        return len(self._ordinary) + len(self._keyframes)

    @property
    def newest(self) -> FrameSegment | None:
        """The frame that arrived last."""
        newest = (record.newest for record in self.cameras.values() if record.newest is not None)
        return max(newest, key=lambda segment: (segment.frame.received, segment.id), default=None)

    @property
    def pinned_notes(self) -> tuple[NoteSegment, ...]:
        """The notes that stay, oldest first."""
        return tuple(self._pinned_notes.values())

    @property
    def pinned(self) -> frozenset[int]:
        """The ids of all that is pinned."""
        return frozenset(self._pinned_frames | set(self._pinned_notes))

    def pinned_of(self, camera: str) -> int:
        """How many of a camera's frames are pinned."""
        frames = (self._ordinary.get(number) or self._keyframes[number] for number in self._pinned_frames)
        return sum(segment.frame.camera == camera for segment in frames)

    def count(self, segments: Iterable[Segment], reasons: Mapping[int, Reason]) -> None:
        """Counts why frames among these were forgotten."""
        for segment in segments:
            if isinstance(segment, FrameSegment):
                self.cameras[segment.frame.camera].forgotten[reasons[segment.id]] += 1

    @property
    def _pinned_frames(self) -> set[int]:
        """Frames that a plan rests on until its last result has come, or one that says that it is not carried out."""
        found = set()
        for turn in self._turns.values():
            results = self._results.get(turn.plan_id, [])
            failed = any(one.result.status is not ResultStatus.SUCCEEDED for one in results)
            done = len({one.step for one in results}) >= len(turn.reply.calls)
            if self._is_frame(turn.frame_id) and not failed and not done:
                found.add(turn.frame_id)
        return found

    # -- what goes ----------------------------------------------------------------------------------------------------

    def to_forget(self, limits: Limits, total: int, coming: Coming | None = None) -> dict[int, Reason]:
        """The ids of all that must go, so that what is ``coming`` may; ``total``: tokens of all segments now.

        What became of a plan goes with its turn. No more goes than must: what it costs to forget does not hang on how
        often.
        """
        coming = coming or Coming()
        self.now = max(self.now, coming.seconds)
        gone: dict[int, Reason] = {}
        pinned = self._pinned_frames
        newest = {
            record.newest.id
            for camera, record in self.cameras.items()
            if record.newest is not None and camera != coming.camera
        }

        def go(number: int, reason: Reason) -> None:
            for other in (number, *self._with(number)):
                gone.setdefault(other, reason)

        self._thin(limits, pinned | newest, go)
        for number, _ in zip(self._turns, range(len(self._turns) - limits.turns), strict=False):
            go(number, Reason.NUMBER)
        self._fewer_frames(limits.frames - (coming.camera is not None), pinned, newest, gone, go)
        self._fewer_notes(limits, coming, gone, go)
        left = total - sum(map(self._tokens, gone))
        victims = self._in_order(pinned, newest)
        while left > limits.tokens and (victim := next(victims, None)) is not None:
            before = len(gone)
            if victim not in gone:
                go(victim, Reason.ROOM)
                left -= sum(map(self._tokens, list(gone)[before:]))
        return gone

    def _thin(self, limits: Limits, held: set[int], go: Callable[[int, Reason], None]) -> None:
        if limits.ladder != self._ladder:
            self._ladder, self._due = limits.ladder, {}
            for segment in self._ordinary.values():
                self._schedule(segment)
        for queue in self._due.values():
            kept: list[tuple[float, int]] = []
            while queue and queue[0][0] <= self.now:
                entry = queue.popleft()
                if entry[1] in held:
                    kept.append(entry)
                elif entry[1] in self._ordinary:
                    go(entry[1], Reason.THINNED)
            queue.extendleft(reversed(kept))
        for number, segment in self._keyframes.items():
            if segment.seconds + limits.age > self.now:
                break
            if number not in held:
                go(number, Reason.AGED)

    def _schedule(self, segment: FrameSegment) -> None:
        lifetime = self._ladder.lifetime(segment.number)
        if not segment.kept and lifetime < float("inf"):
            self._due.setdefault(lifetime, deque()).append((segment.seconds + lifetime, segment.id))

    def _fewer_frames(
        self,
        most: int,
        pinned: set[int],
        newest: set[int],
        gone: dict[int, Reason],
        go: Callable[[int, Reason], None],
    ) -> None:
        left, held = self.frames - sum(map(self._is_frame, gone)), pinned | newest
        order = (
            *((number for number in queue if number not in held) for queue in (self._ordinary, self._keyframes)),
            sorted(pinned - newest),
            sorted(newest),
        )
        for numbers in order:
            for number in numbers:
                if left <= most:
                    return
                if number not in gone:
                    go(number, Reason.NUMBER)
                    left -= 1

    def _fewer_notes(
        self, limits: Limits, coming: Coming, gone: dict[int, Reason], go: Callable[[int, Reason], None]
    ) -> None:
        for number, segment in self._notes.items():
            if isinstance(segment, NoteSegment):
                if segment.seconds + limits.note_age > self.now:
                    break
                go(number, Reason.AGED)
        left = [number for number in (*self._notes, *self._pinned_notes) if number not in gone]
        for number in left[: max(0, len(left) + coming.notes - limits.notes)]:
            go(number, Reason.NUMBER)

    def _in_order(self, pinned: set[int], newest: set[int]) -> Iterator[int]:
        """All segments but results of remembered turns, those that go first, first."""
        held = pinned | newest
        yield from (number for number in self._ordinary if number not in held)
        queues = [iter(queue) for queue in (self._keyframes, self._notes, self._turns)]
        heads = [next(queue, None) for queue in queues]
        while any(head is not None for head in heads):
            first = min(range(len(heads)), key=lambda index: heads[index] or float("inf"))
            number, heads[first] = heads[first], next(queues[first], None)
            if number is not None and number not in held:
                yield number
        yield from sorted(pinned - newest)
        yield from sorted(newest)
        yield from self._pinned_notes

    def _with(self, number: int) -> list[int]:
        """What goes with a turn."""
        turn = self._turns.get(number)
        return [] if turn is None else [result.id for result in self._results.get(turn.plan_id, [])]
