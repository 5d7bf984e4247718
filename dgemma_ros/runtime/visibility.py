"""Which rows a row may see, as one interval each; the backbone makes its masks of them.

Every mask of this model is an interval. A text row sees itself and what came before, in sliding layers at most
``window`` rows; soft tokens of one image see each other both ways; a canvas row sees what the cache holds, in sliding
layers its last ``window - 1`` rows, and the whole canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dgemma_ros.errors import ContextError
from dgemma_ros.runtime.contract import Ints


class VisionMask(StrEnum):
    """How an image's block joins the causal mask; no configuration key tells the two apart.

    ``transformers-5.23``: full layers causal OR block, sliding layers (causal AND window) OR block.
    ``gemma``: full layers causal only, sliding layers (causal OR block) AND window.
    """

    TRANSFORMERS = "transformers-5.23"
    GEMMA = "gemma"


@dataclass(frozen=True)
class Visible:
    """First and last visible row of each of S rows, counted from the first row of the chunk or canvas (so the past is
    negative); full layers see everything up to ``last_full``.
    """

    first_sliding: Ints
    last_sliding: Ints
    last_full: Ints


def blocks(token_types: Ints) -> list[tuple[int, int]]:
    """The image blocks, [start, stop), of a prompt: its runs of token type 1."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], token_types == 1, [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def encoding(token_types: Ints, window: int, bidirectional: bool, convention: VisionMask) -> Visible:
    """What the rows of one chunk see; ``token_types`` [S] are the chunk's own, each image whole."""
    own = np.arange(len(token_types), dtype=np.int64)
    first, last_sliding, last_full = own - window + 1, own.copy(), own.copy()
    for start, stop in blocks(token_types) if bidirectional else ():
        last_sliding[start:stop] = stop - 1
        if convention is VisionMask.TRANSFORMERS:
            last_full[start:stop] = stop - 1
            first[start:stop] = np.minimum(first[start:stop], start)
    return Visible(first, last_sliding, last_full)


def denoising(canvas_length: int, window: int) -> Visible:
    """What the rows of a canvas see."""
    end = np.full(canvas_length, canvas_length - 1, np.int64)
    return Visible(np.full(canvas_length, 1 - window, np.int64), end, end)


def check_chunks(token_types: Ints, chunks: Ints) -> None:
    """Raises :class:`ContextError` where a chunk's end cuts an image, whose soft tokens must see one another."""
    ends = np.cumsum(chunks)
    for start, stop in blocks(token_types):
        if (cut := ends[(ends > start) & (ends < stop)]).size:
            raise ContextError(f"chunks: a chunk ends at token {cut[0]}, inside the image at {start}..{stop - 1}")


def plan_chunks(token_types: Ints, size: int) -> Ints:
    """Chunk lengths of about ``size``, no image cut; an image longer than that is a chunk of its own length."""
    spans = blocks(token_types)
    lengths, start, total = [], 0, len(token_types)
    while start < total:
        stop = min(start + size, total)
        for a, b in spans:
            if a < stop < b:
                stop = a if a > start else b
        lengths.append(stop - start)
        start = stop
    return np.array(lengths, np.int64)
