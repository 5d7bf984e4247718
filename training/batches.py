"""Sessions as plain arrays of fixed shapes: what one process writes and the training step reads.

A row holds a session: its trunk, then its leaves one after the other, each with its answer behind it, which only the
encoder's own loss looks at. `see` says how many of the trunk's tokens a token may look at, `leaf` which leaf it belongs
to (-1: trunk, -2: nothing), `rank` how many tokens lie before it on its way, the system turn not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from tokenizers import Tokenizer

from dgemma_ros.tabletop import render
from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES
from training import prompt, relations, sessions, tasks, words
from training.checkpoint_sizes import CANVAS, CELLS, NARROW, PATCH, POOLING, POSITIONS, WIDE
from training.sessions import Picture, Session, Shape

Arrays = dict[str, np.ndarray]
THINGS = 16  # marked cells a picture, at most
UNKNOWN = "<unused0>"  # the token that stands for a word never met
TELL = 36  # longest answer that the encoder learns to tell by itself


@dataclass(frozen=True)
class Bucket:
    """Sessions that lie in one batch: `rows` a chunk, tokens a row, pictures a chunk, and what they are like."""

    name: str
    rows: int
    length: int
    pictures: int
    shape: Shape


SHORT = Bucket("short", 16, 512, 68, Shape())
LONG = Bucket("long", 4, 1408, 104, Shape(rounds=(1, 3), idle=(1, 9), first=(1, 3), rear=0.04))
DEEP = Bucket("deep", 2, 2816, 120, Shape(rounds=(1, 2), idle=(8, 28), first=(1, 2), rear=0.0, forgotten=0.05))
BUCKETS = (SHORT, LONG, DEEP)
LEAVES = Shape().most


def scaled(bucket: Bucket, share: float) -> Bucket:
    """The same with more or fewer rows."""
    rows = max(1, round(bucket.rows * share))
    return replace(bucket, rows=rows, pictures=max(rows + 8, round(bucket.pictures * rows / bucket.rows)))


def spec(bucket: Bucket) -> dict[str, tuple[tuple[int, ...], type]]:
    """Each array's shape and type."""
    rows, pictures = (bucket.rows, bucket.length), bucket.pictures
    return {
        "ids": (rows, np.int16),
        "picture": (rows, np.int16),  # number of the chunk's picture; -1: text
        "see": (rows, np.int16),
        "leaf": (rows, np.int8),
        "rank": (rows, np.int16),
        "position": (rows, np.int16),  # the system turn not counted
        "told": (rows, np.bool_),  # the encoder should tell it from what is before
        "question": (rows, np.bool_),  # a canvas sees it: not an answer in a leaf
        "answer": ((bucket.rows, LEAVES, CANVAS), np.int16),
        "draft": ((bucket.rows, LEAVES, CANVAS), np.int16),  # the same with mistakes
        "branch": ((bucket.rows, LEAVES), np.int16),
        "start": ((bucket.rows, LEAVES), np.int16),  # rank of the canvas's first token
        "place": ((bucket.rows, LEAVES), np.int16),  # its position
        "kind": ((bucket.rows, LEAVES), np.int16),  # -1: no leaf
        "pixels": ((pictures, 140 * 3 * PATCH**2), np.uint8),
        "things": ((pictures, THINGS, 5), np.int64),  # cell (-1: none), colour, shape, place, marks
        "count": ((2,), np.int64),  # pictures used, and whether they are wide
    }


def empty(bucket: Bucket) -> Arrays:
    return {name: np.zeros(shape, kind) for name, (shape, kind) in spec(bucket).items()}


def grid(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of patches."""
    return size[1] // PATCH, size[0] // PATCH


def patchify(picture: np.ndarray) -> np.ndarray:
    """RGB uint8 [height, width, 3] of the right size → [patches, 3·PATCH²], channel fastest."""
    rows, columns = picture.shape[0] // PATCH, picture.shape[1] // PATCH
    cut = picture.reshape(rows, PATCH, columns, PATCH, 3).transpose(0, 2, 1, 3, 4)
    return cut.reshape(rows * columns, PATCH * PATCH * 3)


def shrunk(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearly what the runtime's own preparation makes of a picture, and much cheaper."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def source_size(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    """A camera's picture size that becomes `size`; mostly small, which is cheap."""
    small = rng.random() < 0.85
    if size == NARROW:
        return (224, 168) if small else (320, 240)
    return (256, 144) if small else (320, 180)


class Writer:
    """Turns sessions into arrays with one tokenizer."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.begin, self.soft, self.end = (tokenizer.token_to_id(t) for t in ("<|image>", "<|image|>", "<image|>"))
        self.unknown = tokenizer.token_to_id(UNKNOWN)
        self.ids = lru_cache(20000)(self._ids)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = []
        for number, part in enumerate(text.replace(f" {words.UNKNOWN}", words.UNKNOWN).split(words.UNKNOWN)):
            ids += [self.unknown] if number else []
            ids += self.tokenizer.encode(part, add_special_tokens=False).ids if part else []
        return ids

    def trunk(self, session: Session) -> tuple[list[list[int]], list[list[int]]]:
        """Each piece's ids, and the numbers of the pictures that they belong to (-1: none)."""
        cells = CELLS[session.size]
        ids, numbers = [], []
        for piece in session.pieces:
            own = [*([] if ids else self.ids("<|turn>")), *self.ids(piece.words), *self.ids(piece.control)]
            picture = [-1] * len(own)
            if piece.picture >= 0:
                own += [self.begin, *[self.soft] * cells, self.end]
                picture += [-1, *[piece.picture] * cells, -1]
            ids.append(own)
            numbers.append(picture)
        return ids, numbers

    def row(self, rng: np.random.Generator, session: Session, length: int, first: int) -> dict[str, np.ndarray] | None:
        """A session as one row; None where its trunk alone is too long. `first`: number of its first picture."""
        ids, numbers = self.trunk(session)
        ends = np.cumsum([0, *map(len, ids)])
        if ends[-1] > length - 24:
            return None
        gaps = np.cumsum(sessions.jumps(rng, session.pieces, 1100 + length))
        count = int(ends[-1])
        reach = np.repeat(gaps, [len(i) for i in ids])
        out: dict[str, list[int]] = {
            "ids": [i for own in ids for i in own],
            "picture": [first + n if n >= 0 else -1 for own in numbers for n in own],
            "see": list(range(1, count + 1)),
            "leaf": [-1] * count,
            "rank": list(range(count)),
            "position": (np.arange(count) + reach).tolist(),
            "told": [0] * count,
            "question": [1] * count,
        }
        leaves: dict[str, np.ndarray] = {
            **{name: np.zeros((LEAVES, CANVAS), np.int16) for name in ("answer", "draft")},
            **{name: np.full(LEAVES, -1, np.int16) for name in ("branch", "start", "place", "kind")},
        }
        reply = self.ids(prompt.REPLY)
        names: list[list[str]] = [[]]  # of what is on the newest picture before each piece
        for piece in session.pieces:
            seen = session.pictures[piece.picture].moment if piece.picture >= 0 else None
            names.append(names[-1] if seen is None else [o.name for o in seen])
        for number, leaf in enumerate(session.leaves):
            asked = [*self.ids(leaf.words), *reply]
            answer = self.ids(prompt.plan_text(leaf.task.plan) + "<turn|>")
            assert len(answer) <= CANVAS, leaf
            told = answer if len(answer) <= TELL else []
            if len(out["ids"]) + len(asked) + len(told) > length:
                continue
            branch = int(ends[leaf.at])
            start = branch + int(gaps[min(leaf.at, len(gaps)) - 1] if leaf.at else 0)
            both = len(asked) + len(told)
            out["ids"] += [*asked, *told]
            out["picture"] += [-1] * both
            out["see"] += [branch] * both
            out["leaf"] += [number] * both
            out["rank"] += range(branch, branch + both)
            out["position"] += range(start, start + both)
            out["told"] += [0] * len(asked) + [1] * len(told)
            out["question"] += [1] * len(asked) + [0] * len(told)
            leaves["answer"][number, : len(answer)] = answer
            wrong = tasks.spoiled(rng, leaf.task.plan, names[leaf.at])
            draft = self.ids(prompt.plan_text(wrong) + "<turn|>")
            draft = answer if len(draft) > CANVAS else draft
            leaves["draft"][number, : len(draft)] = draft
            leaves["branch"][number], leaves["kind"][number] = branch, tasks.KINDS.index(leaf.task.kind)
            leaves["start"][number], leaves["place"][number] = branch + len(asked), start + len(asked)
        if (leaves["kind"] < 0).all() or max(out["position"]) + CANVAS + 1100 > POSITIONS + 100:
            return None
        padding = {"picture": -1, "leaf": -2}
        arrays = {
            name: np.array(values + [padding.get(name, 0)] * (length - len(values))) for name, values in out.items()
        }
        return arrays | leaves

    def chunk(self, rng: np.random.Generator, bucket: Bucket, out: Arrays, blank: bool = False) -> None:
        """Fills a chunk's arrays with fresh sessions."""
        wide = bool(rng.random() < 0.22)
        shape = Shape(**{**vars(bucket.shape), "wide": wide})
        row = used = 0
        out["things"][:, :, 0] = -1
        while row < bucket.rows:
            session = sessions.sample(rng, shape)
            if used + len(session.pictures) + (bucket.rows - row - 1) > bucket.pictures:
                continue
            made = self.row(rng, session, bucket.length, used)
            if made is None:
                continue
            for name, values in made.items():
                out[name][row] = values
            self.pictures(rng, session, out, used)
            row, used = row + 1, used + len(session.pictures)
        out["count"][:] = used, wide

    def pictures(self, rng: np.random.Generator, session: Session, out: Arrays, first: int) -> None:
        size = source_size(rng, session.size)
        for number, picture in enumerate(session.pictures, first):
            drawn = render.draw_moment(picture.moment, session.look, rng, size, picture.camera)
            flat = patchify(shrunk(drawn, session.size)).reshape(-1)
            out["pixels"][number, : len(flat)] = flat
            for k, found in enumerate(things(session, picture)[:THINGS]):
                out["things"][number, k] = found


def things(session: Session, picture: Picture) -> list[tuple[int, int, int, int, int]]:
    """What is in a picture's cells: (cell, colour, shape, place, marks) of each object and of each place that was
    left; there colour is -1."""
    rows, columns = (n // POOLING for n in grid(session.size))

    def cell(x: float, y: float) -> int:
        px, py = render.picture_point(x, y, session.look, session.size, picture.camera)
        return min(max(int(py * rows), 0), rows - 1) * columns + min(max(int(px * columns), 0), columns - 1)

    here, left = relations.changed(picture.history)
    found = [
        (
            cell(o.x, o.y),
            COLOURS.index(o.colour),
            SHAPES.index(o.shape),
            PLACES.index(o.place),
            own | here.get(o.name, 0),
        )
        for o, own in zip(picture.moment, relations.standing(picture.moment), strict=True)
    ]
    return found + [(cell(x, y), -1, -1, -1, own) for x, y, own in left]


@cache
def writer(folder: str) -> Writer:
    """The writer with a folder's tokenizer."""
    return Writer(Tokenizer.from_file(str(Path(folder) / "tokenizer.json")))


def fill(folder: str, bucket: Bucket, seed: tuple[int, ...], out: Arrays) -> None:
    """A chunk's arrays; a function of bucket and seed alone."""
    writer(folder).chunk(np.random.default_rng(seed), bucket, out)


__all__ = ["BUCKETS", "DEEP", "LONG", "NARROW", "SHORT", "WIDE", "Arrays", "Bucket", "Writer", "empty", "fill", "spec"]
