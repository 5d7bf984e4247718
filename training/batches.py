"""Training batches as plain arrays: a pure function of (seed, step), so a run can stop and resume anywhere.

One batch holds `scenes` scenes. A scene's part of the prompt (open user turn, frames, sometimes an earlier turn) is
written once; several tasks share it. Tasks come in two groups, short ones and edits (which repeat an earlier turn),
each padded on the left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES, Scene, sample_scene
from training import cards, prompt, relations, tasks
from training.checkpoint_sizes import BUDGET, CANVAS, PATCH, POOLING

# How often each kind is drawn among a scene's short tasks; the hard ones more often.
SHORT = tasks.TEXT + tasks.PICTURE + tasks.HISTORY
WEIGHTS = {
    "push": 0.8,
    "fetch": 1.0,
    "refer": 1.2,
    "put": 1.2,
    "stack": 1.0,
    "extreme": 1.4,
    "clear": 1.8,
    "sort": 3.4,
    "count": 1.9,
    "where": 1.2,
    "moved": 1.6,
    "put_back": 2.2,
    "gone": 1.4,
}


@dataclass
class Group:
    """Rows of one length: `ids` and `valid` [rows, length], `scene` and `kind` [rows], `answer` [rows, CANVAS]."""

    ids: np.ndarray
    valid: np.ndarray
    scene: np.ndarray
    answer: np.ndarray
    kind: list[str]
    tasks: list[tasks.Task]


@dataclass
class Cards:
    """One row a scene: `ids`, `valid`, `card` (the card's number), `place` (in its card, from 0) and `answer` (whether
    the token is to be told), all [scenes, length]."""

    ids: np.ndarray
    valid: np.ndarray
    card: np.ndarray
    place: np.ndarray
    answer: np.ndarray


@dataclass
class Batch:
    """`patches` [images, P, 768] uint8 and `positions` [P, 2]; `ids`, `valid`, `image` (picture's number or -1)
    [scenes, length]; `truth` [images, soft tokens, words]: which words are true of each cell, `offsets` [images, soft
    tokens, 3]: x, y and whether, `marks` [images, soft tokens, relations.MARKS]."""

    patches: np.ndarray
    positions: np.ndarray
    ids: np.ndarray
    valid: np.ndarray
    image: np.ndarray
    truth: np.ndarray
    offsets: np.ndarray
    marks: np.ndarray
    groups: list[Group] = field(default_factory=list)
    cards: Cards | None = None


_NAMES = [f"{colour}▁{shape}" for colour in COLOURS for shape in SHAPES]
_PLACES = [place.replace(" ", "▁") for place in PLACES]
WORDS = [
    *COLOURS,
    *(f"▁{w}" for w in COLOURS),
    *(f"▁{w}" for w in SHAPES),
    *(f"{space}{w}" for space in ("", "▁") for w in _NAMES + _PLACES),
]
COLOUR_WORDS, SHAPE_WORDS = (0, 6), (12, 16)  # where in WORDS


def target_size(width: int, height: int) -> tuple[int, int]:
    """Width and height after resizing, by the reference's rule (sides are multiples of patch × pooling)."""
    side = PATCH * POOLING
    factor = (BUDGET * side * side / (width * height)) ** 0.5
    return int(factor * width / side) * side, int(factor * height / side) * side


def patchify(picture: np.ndarray) -> np.ndarray:
    """RGB uint8 picture of any size → [P, 3·PATCH²] uint8 (channel fastest), resized by Pillow's bicubic filter."""
    width, height = target_size(picture.shape[1], picture.shape[0])
    if picture.shape[:2] != (height, width):
        picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
    grid = picture.reshape(height // PATCH, PATCH, width // PATCH, PATCH, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, PATCH * PATCH * 3)


@cache
def patch_positions(width: int = 160, height: int = 128) -> np.ndarray:
    x, y = np.meshgrid(np.arange(width // PATCH), np.arange(height // PATCH))
    return np.stack([x, y], -1).reshape(-1, 2)


def _ground(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every frame and cell: the words true of the object centred there, where it is, and its `relations.MARKS`."""
    columns, rows = 160 // (PATCH * POOLING), 128 // (PATCH * POOLING)
    look = render.Look.draw(scene.seed)
    truth = np.zeros((len(scene.moments), rows * columns, len(WORDS)), np.float32)
    offsets = np.zeros((len(scene.moments), rows * columns, 3), np.float32)
    cells: dict[tuple[int, str], int] = {}
    for number, moment in enumerate(scene.moments):
        for obj in moment:
            x, y = render.picture_point(obj.x, obj.y, look)
            cell = min(int(y * rows), rows - 1) * columns + min(int(x * columns), columns - 1)
            name, place = f"{obj.colour}▁{obj.shape}", obj.place.replace(" ", "▁")
            for word in (obj.colour, f"▁{obj.colour}", f"▁{obj.shape}", name, f"▁{name}", place, f"▁{place}"):
                truth[number, cell, WORDS.index(word)] = 1
            offsets[number, cell] = (x * 2 - 1, y * 2 - 1, 1)
            cells[number, obj.name] = cell
    found = [relations.marks(scene, number, cells, rows * columns) for number in range(len(scene.moments))]
    return truth, offsets, np.stack(found)


def _pad(rows: list[list[int]], pad: int = 0) -> tuple[np.ndarray, np.ndarray]:
    length = max(len(r) for r in rows)
    ids = np.full((len(rows), length), pad, np.int64)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :] = row
    valid = np.arange(length)[None] >= length - np.array([len(r) for r in rows])[:, None]
    return ids, valid


class Writer:
    """Turns scenes and tasks into ids with one tokenizer."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.image_id = tokenizer.token_to_id("<|image|>")

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def answer(self, plan: tasks.Plan) -> list[int]:
        ids = self.ids(prompt.plan_text(plan) + "<turn|>")
        assert len(ids) <= CANVAS, plan
        return ids + [0] * (CANVAS - len(ids))

    def scene_text(self, rng: np.random.Generator, scene: Scene, earlier: tasks.Task | None = None) -> str:
        """The open user turn with the scene's frames; an earlier turn, if any, before one of them."""
        now = int(rng.integers(0, 3000))
        where = int(rng.integers(0, len(scene.moments))) if earlier else -1
        text = prompt.USER
        for number in range(len(scene.moments)):
            if number == where and earlier:
                text += prompt.turn_text(earlier.text, earlier.plan)
            text += prompt.frame_text(now)
            now += int(rng.integers(1, 20))
        return text

    def task_text(self, task: tasks.Task) -> str:
        before = prompt.turn_text(*task.earlier) if task.earlier else ""
        return f"{before}{task.text}{prompt.REPLY}"

    def group(self, rows: list[tuple[int, tasks.Task]]) -> Group:
        ids, valid = _pad([self.ids(self.task_text(t)) for _, t in rows])
        answer = np.array([self.answer(t.plan) for _, t in rows], np.int64)
        return Group(
            ids, valid, np.array([s for s, _ in rows]), answer, [t.kind for _, t in rows], [t for _, t in rows]
        )

    def cards(self, rows: list[list[cards.Card]]) -> Cards:
        """Each row's cards one after the other, padded on the left."""
        columns: list[list[list[int]]] = [[], [], [], []]
        for row in rows:
            ids, number, place, told = ([], [], [], [])
            for n, (question, answer) in enumerate(row):
                asked, answered = self.ids(question), self.ids(answer)
                length = len(asked) + len(answered)
                ids += asked + answered
                number += [n] * length
                place += range(length)
                told += [0] * len(asked) + [1] * len(answered)
            for column, values in zip(columns, (ids, number, place, told), strict=True):
                column.append(values)
        ids, valid = _pad(columns[0])
        number, place, told = (_pad(c)[0] for c in columns[1:])
        return Cards(ids, valid, number, place, told.astype(bool))

    def batch(
        self,
        rng: np.random.Generator,
        scenes: list[Scene],
        rows: list[tuple[int, tasks.Task]],
        talk: float = 0.0,
        size: tuple[int, int] = (320, 240),
        blank: bool = False,
    ) -> Batch:
        """The arrays of scenes and (scene number, task) rows; with probability `talk` a scene holds an earlier turn."""
        texts = []
        for scene in scenes:
            other = (
                tasks.sample_task(rng, scene, str(rng.choice(("put", "fetch", "push", "where"))))
                if rng.random() < talk
                else None
            )
            texts.append(self.scene_text(rng, scene, other))
        ids, valid = _pad([self.ids(t) for t in texts])
        image = np.full(ids.shape, -1, np.int64)
        places = (ids == self.image_id) & valid
        image[places] = np.arange(places.sum()) // prompt.SOFT_TOKENS
        pictures = [render.blank(size) if blank else p for s in scenes for p in render.render_scene(s, size)]
        ground = [_ground(s) for s in scenes]
        batch = Batch(
            np.stack([patchify(p) for p in pictures]),
            patch_positions(),
            ids,
            valid,
            image,
            np.concatenate([g[0] for g in ground]),
            np.concatenate([g[1] for g in ground]),
            np.concatenate([g[2] for g in ground]),
        )
        for group in ([r for r in rows if not r[1].earlier], [r for r in rows if r[1].earlier]):
            if group:
                batch.groups.append(self.group(group))
        return batch


@cache
def _writer(folder: str) -> Writer:
    return Writer(Tokenizer.from_file(str(Path(folder) / "tokenizer.json")))


@dataclass(frozen=True)
class Job:
    """What one process computes in one step: `scenes` scenes with `tasks` tasks each, beside the edits, and `cards`.
    `focus`: the power of the kinds' weights; the higher, the more of the hard ones."""

    folder: str
    seed: int
    step: int
    rank: int
    scenes: int
    tasks: int
    cards: int
    focus: int = 1


def _kinds(rng: np.random.Generator, scene: Scene, count: int, focus: int) -> list[str]:
    kinds = [k for k in SHORT if k not in tasks.HISTORY or len(scene.moments) > 1]
    odds = np.array([WEIGHTS[k] ** focus for k in kinds])
    return [str(k) for k in rng.choice(kinds, count, p=odds / odds.sum())]


def training_batch(job: Job) -> Batch:
    """The batch of a step; a function of the job alone."""
    rng = np.random.default_rng((job.seed, job.step, job.rank))
    scenes = [sample_scene(rng, int(rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3]))) for _ in range(job.scenes)]
    rows: list[tuple[int, tasks.Task]] = []
    for number, scene in enumerate(scenes):
        wanted = _kinds(rng, scene, job.tasks, job.focus)
        if job.tasks and number % 2:  # edits are long and easy: one for every other scene
            wanted.append(str(rng.choice(tasks.EDIT)))
        for kind in wanted:
            task = tasks.sample_task(rng, scene, kind)
            if task is not None:
                rows.append((number, task))
    talk = 0.5 if rng.random() < 0.15 else 0.0
    size = [(640, 480), (320, 240), (256, 192)][int(rng.choice(3, p=[0.05, 0.15, 0.8]))]
    writer = _writer(job.folder)
    batch = writer.batch(rng, scenes, rows, talk, size)
    if job.cards:
        batch.cards = writer.cards([cards.sample(rng, s, _kinds(rng, s, job.cards, job.focus)) for s in scenes])
    return batch


def test_batch(folder: str, seed: int, kind: str, count: int, blank: bool = False) -> Batch:
    """Fresh scenes with one task of a kind each."""
    rng = np.random.default_rng((seed, tasks.KINDS.index(kind), 991))
    drawn = [tasks.fresh(rng, kind) for _ in range(count)]
    return _writer(folder).batch(rng, [s for s, _ in drawn], [(i, t) for i, (_, t) in enumerate(drawn)], blank=blank)
