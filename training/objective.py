"""What is learned from a batch of sessions: canvases by block diffusion, and what helps to get there.

- *Canvases*: 30 % of them fully random, the others in a random part of their places, where a third of the things and
  places are such as belong elsewhere in the same answer, and a third of these plans have a call too many, too few or
  twice before anything is made random, for those are the mistakes that are made; every other
  session's get self-conditioning from a first pass without gradient, at a temperature between 0.4 and 1. Cross-entropy
  on every token; names, places, numbers and skills count twice, padding a tenth.
- *Answers*: the encoder tells each leaf's answer by itself, word by word: cheap decisions, and encoder and decoder are
  the same weights.
- *Grounding*: each soft token should point, by dot product, at the words that are true of its cell, and tell where.
- *Relations*: a linear map of the middle layer tells `relations.MARKS` of each cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgemma_ros.tabletop.scenes import COLOURS, PLACES, SHAPES
from training.batches import grid
from training.checkpoint_sizes import CANVAS, CELLS, NARROW, PATCH, WIDE
from training.model import Caches, Masks, Network
from training.relations import MARKS

Batch = dict[str, Tensor]
DRAFTED = 0.35  # share of the canvases with right words in them that begin with a wrong plan instead
MISTAKEN = 0.35  # share of the noised things and places that another of the same answer stands in for
_NAMES = [f"{colour}▁{shape}" for colour in COLOURS for shape in SHAPES]
_PLACES = [place.replace(" ", "▁") for place in PLACES]
COLOUR_WORDS = (list(COLOURS), [f"▁{w}" for w in COLOURS])
SHAPE_WORDS = ([f"▁{w}" for w in SHAPES],)
NAME_WORDS = (_NAMES, [f"▁{w}" for w in _NAMES])
PLACE_WORDS = (_PLACES, [f"▁{w}" for w in _PLACES])
WORDS = [w for group in (*COLOUR_WORDS, *SHAPE_WORDS, *NAME_WORDS, *PLACE_WORDS) for w in group]


def truths(things: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """From [pictures, things, 5]: which WORDS, and which MARKS, are true of each cell, [pictures, cells, …]."""
    cell, colour, shape, place, marks = things.unbind(-1)
    here = functional.one_hot(cell.clamp(min=0), cells).float() * (cell >= 0)[..., None]
    kinds = []
    for value, groups, size in (
        (colour, COLOUR_WORDS, len(COLOURS)),
        (shape, SHAPE_WORDS, len(SHAPES)),
        (torch.where(colour >= 0, colour * len(SHAPES) + shape, colour), NAME_WORDS, len(_NAMES)),
        (place, PLACE_WORDS, len(PLACES)),
    ):
        hot = functional.one_hot(value.clamp(min=0), size).float() * (value >= 0)[..., None]
        kinds += [hot] * len(groups)
    told = (marks[..., None] >> torch.arange(len(MARKS), device=marks.device) & 1).float()
    return tuple((here.mT @ torch.cat(t, -1)).clamp(max=1) for t in (kinds, [told]))  # type: ignore[return-value]


class Helpers(nn.Module):
    """Maps that are thrown away after training, and which sort of word each token is: a thing, a place, or neither."""

    def __init__(self, hidden: int, word_ids: list[int], vocabulary: int):
        super().__init__()
        sorts = torch.zeros(vocabulary, dtype=torch.long)
        for number, names in enumerate((_NAMES, _PLACES), 1):
            sorts[[word_ids[WORDS.index(name)] for name in names]] = number
        self.register_buffer("sorts", sorts, persistent=False)
        self.register_buffer("word_ids", torch.tensor(word_ids), persistent=False)
        self.bias = nn.Parameter(torch.full((len(word_ids),), -2.0))
        self.marks = nn.Linear(hidden, len(MARKS))
        nn.init.zeros_(self.marks.weight)
        nn.init.constant_(self.marks.bias, -3.0)

    def grounding(self, soft: Tensor, table: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, share of objects' cells whose colours and shapes are told rightly)."""
        scores = (soft @ table[self.word_ids].t()).float() + self.bias
        loss = functional.binary_cross_entropy_with_logits(scores, truth, 1 + 4 * truth)
        first, last = slice(0, len(COLOURS)), slice(2 * len(COLOURS), 2 * len(COLOURS) + len(SHAPES))
        same = [((scores[..., s] > 0) == (truth[..., s] > 0)).all(-1) for s in (first, last)]
        there = truth.any(-1)
        return loss, ((same[0] & same[1]) & there).sum() / there.sum().clamp(min=1)

    def relations(self, middle: Tensor, truth: Tensor) -> Tensor:
        """Sum over the marks, mean over the cells that have any."""
        there = truth.any(-1).float()
        scores = functional.linear(middle.float(), self.marks.weight, self.marks.bias)
        loss = functional.binary_cross_entropy_with_logits(scores, truth, 1 + 2 * truth, reduction="none")
        return (loss.sum(-1) * there).sum() / there.sum().clamp(min=1)


@dataclass
class Reading:
    """A batch that the encoder has read."""

    soft: dict[bool, Tensor]
    middle: Tensor
    hidden: Tensor
    caches: Caches
    prefix: int


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as it is added to scores, [rows, 1, queries, keys]."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))[:, None]


class Objective:
    """The losses with one prompt prefix: the system turn, or its first tokens while learning begins."""

    def __init__(self, config: dict, prefix: Tensor, content: Tensor, helpers: Helpers, spare: tuple[int, ...] = ()):
        """`spare`: tokens that no text has; the first of them stands for words never met."""
        self.config, self.prefix, self.content, self.helpers = config, prefix, content, helpers
        self.unknown, self.spare = (spare or (-1,))[0], torch.tensor(spare, dtype=torch.long, device=prefix.device)
        self.window = config["text_config"]["sliding_window"]

    def look(self, net: Network, batch: Batch) -> dict[bool, Tensor]:
        """Soft tokens of the narrow and of the wide pictures."""
        found = {}
        for wide in (False, True):
            pixels = batch["pixels_wide" if wide else "pixels_narrow"]
            if len(pixels):
                rows, columns = grid(WIDE if wide else NARROW)
                patches = pixels[:, : rows * columns * 3 * PATCH**2].reshape(len(pixels), rows * columns, -1)
                found[wide] = net.soft_tokens(patches.to(net.dtype) / 255, (rows, columns))
        return found

    def ground(
        self, net: Network, batch: Batch, soft: dict[bool, Tensor], apart: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(loss, share of objects told rightly). `apart`: only the helpers learn from it."""
        table = net.table.detach() if apart else net.table
        losses = []
        for wide, cells in soft.items():
            things = batch["things_wide" if wide else "things_narrow"]
            words, _ = truths(things, CELLS[WIDE if wide else NARROW])
            losses.append((self.helpers.grounding(cells.detach() if apart else cells, table, words), len(cells)))
        total = sum(n for _, n in losses)
        return (
            sum(loss[0] * n for loss, n in losses) / total,  # type: ignore[return-value]
            sum(loss[1] * n for loss, n in losses) / total,
        )

    def read(self, net: Network, batch: Batch, soft: dict[bool, Tensor], prefix: Tensor | None = None) -> Reading:
        """The prefix once, then all rows behind it."""
        prefix = self.prefix if prefix is None else prefix
        device, dtype, count = prefix.device, net.dtype, len(prefix)
        at = torch.arange(count, device=device)
        causal = at[:, None] >= at
        near = causal & (at[:, None] - at < self.window)
        masks = Masks(additive(near[None], dtype), additive(causal[None], dtype))
        _, _, past = net.encode(net.embed(prefix[None]), at[None], masks)
        ids = batch["ids"]
        rows, length = ids.shape
        embeds = net.embed(ids)
        if len(self.spare):
            embeds = torch.where((ids == self.unknown)[..., None], self.unmet(net, ids.shape), embeds)
        order = batch["soft_index"]  # of each token: which soft token, or -1
        if soft:
            flat = torch.cat([soft[w].flatten(0, 1) for w in (False, True) if w in soft])
            embeds = torch.where((order >= 0)[..., None], flat[order.clamp(min=0)], embeds)
        index = torch.arange(length, device=device)
        leaf, picture, rank = batch["leaf"], batch["picture"], batch["rank"]
        block = (picture[:, :, None] == picture[:, None]) & (picture >= 0)[:, :, None]
        own = (leaf[:, :, None] == leaf[:, None]) & (leaf != -1)[:, :, None] & (index[:, None] >= index)
        seen = (index < batch["see"][:, :, None]) | own
        close = seen & (rank[:, :, None] - rank[:, None] < self.window)
        before = torch.ones(rows, length, count, dtype=torch.bool, device=device)
        just = (rank[:, :, None] + count - at[-self.window :]) < self.window
        masks = Masks(
            additive(torch.cat((just, close | block), -1), dtype),
            additive(torch.cat((before, seen | block), -1), dtype),
        )
        past = [tuple(t.expand(rows, -1, -1, -1) for t in pair) for pair in self.within_sight(past)]
        hidden, middle, caches = net.encode(embeds, batch["position"] + count, masks, past)
        return Reading(soft, middle, hidden, caches, count)

    def unmet(self, net: Network, shape: torch.Size) -> Tensor:
        """Embeddings [*shape, hidden] as words have them that were never learned: between those of two spare tokens."""
        rows = net.embed(self.spare).detach()
        middle = rows.mean(0)
        one, two = ((rows - middle)[torch.randint(len(rows), shape, device=rows.device)] for _ in range(2))
        angle = torch.rand((*shape, 1), device=rows.device) * (torch.pi / 2)
        return middle + one * angle.cos().to(net.dtype) + two * angle.sin().to(net.dtype)

    def within_sight(self, past: Caches) -> Caches:
        """Of the prefix, sliding layers see the end only: its other rows are not even computed with."""
        sliding = [kind == "sliding_attention" for kind in self.config["text_config"]["layer_types"]]
        return [
            (k[:, :, -self.window :], v[:, :, -self.window :]) if near else (k, v)
            for near, (k, v) in zip(sliding, past, strict=True)
        ]

    def relate(self, batch: Batch, reading: Reading, apart: bool = False) -> Tensor:
        order, there = batch["soft_index"].flatten(), batch["soft_at"]
        truth = []
        for wide in (False, True):
            if wide in reading.soft:
                things = batch["things_wide" if wide else "things_narrow"]
                truth.append(truths(things, CELLS[WIDE if wide else NARROW])[1].flatten(0, 1))
        middle = reading.middle.detach() if apart else reading.middle
        return self.helpers.relations(middle.flatten(0, 1)[there], torch.cat(truth)[order[there]])

    def tell(self, net: Network, batch: Batch, reading: Reading) -> Tensor:
        """The encoder's own loss on the leaves' answers."""
        told = batch["told_at"]
        logits = net.logits(reading.hidden.flatten(0, 1)[told - 1])
        return functional.cross_entropy(logits, batch["ids"].flatten()[told])

    def canvases(
        self,
        net: Network,
        batch: Batch,
        reading: Reading,
        canvas: Tensor,
        previous: Tensor | None = None,
        rows: int = 0,
    ) -> Tensor:
        """Hidden states [rows, leaves, CANVAS, hidden] of canvases [rows, leaves, CANVAS]; `rows`: of the first so many
        rows only."""
        rows = rows or len(canvas)
        canvas, caches = canvas[:rows], [tuple(t[:rows] for t in pair) for pair in reading.caches]
        leaves, device, count = canvas.shape[1], canvas.device, reading.prefix
        rank, leaf = batch["rank"][:rows], batch["leaf"][:rows]
        number = torch.arange(leaves, device=device)
        start = batch["start"][:rows].clamp(min=0)[..., None]  # [rows, leaves, 1]
        index = torch.arange(rank.shape[1], device=device)
        seen = index < batch["branch"][:rows][..., None]
        seen |= (leaf[:, None] == number[:, None]) & batch["question"][:rows, None]
        close = seen & (rank[:, None] > start - self.window)
        at = torch.arange(count, device=device)
        before = torch.ones(rows, leaves, count, dtype=torch.bool, device=device)
        just = (at > start + count - self.window).expand_as(before)[..., -self.window :]
        one = torch.eye(leaves, dtype=torch.bool, device=device).repeat_interleave(CANVAS, 1).expand(rows, -1, -1)

        def whole(*parts: Tensor) -> Tensor:
            return additive(torch.cat(parts, -1), net.dtype).repeat_interleave(CANVAS, 2)

        masks = Masks(whole(just, close, one), whole(before, seen, one))
        positions = batch["place"][:rows].clamp(min=0)[..., None] + count + torch.arange(CANVAS, device=device)
        hidden = net.denoise(canvas.flatten(1), positions.flatten(1), masks, caches, previous)
        return hidden.unflatten(1, (leaves, CANVAS))

    def _another(self, answer: Tensor, chance: Callable[..., Tensor]) -> Tensor:
        """For each token one of the same sort of the same answer: what a wrong plan is made of is not any word, but a
        thing or a place that belongs to another call."""
        sorts = self.helpers.sorts[answer]
        same = sorts[..., :, None] == sorts[..., None, :]
        drawn = (chance(*answer.shape, answer.shape[-1]) * same).argmax(-1)
        return answer.gather(-1, drawn)

    def diffuse(
        self, net: Network, batch: Batch, reading: Reading, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(loss, which leaves [n] came out right from a fully random canvas or -1 where it was not, their kinds)."""
        answer, there = batch["answer"], batch["leaves_at"]
        vocabulary = len(net.table)

        def chance(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=answer.device)

        full = chance(*answer.shape[:2], 1) < 0.3
        hit = chance(*answer.shape) < torch.where(full, 1.0, chance(*answer.shape[:2], 1))
        noise = torch.randint(vocabulary, answer.shape, generator=generator, device=answer.device)
        wrong = ~full & (chance(*answer.shape[:2], 1) < DRAFTED)
        shown = torch.where(wrong, batch["draft"], answer)
        mistaken = self.helpers.sorts[shown] * (~full & (chance(*answer.shape) < MISTAKEN))
        noise = torch.where(mistaken > 0, self._another(shown, chance), noise)
        canvas = torch.where(hit, noise, shown)
        half = len(answer) // 2
        previous = None
        if half:
            with torch.no_grad():
                told = net.logits(self.canvases(net, batch, reading, canvas, rows=half))
                heat = 0.4 + 0.6 * chance(*told.shape[:2], 1, 1)
                signal = net.soften(told / heat).flatten(1, 2)
                previous = torch.zeros(len(answer), *signal.shape[1:], dtype=signal.dtype, device=signal.device)
                previous[:half] = signal
                del told
        hidden = self.canvases(net, batch, reading, canvas, previous).flatten(0, 1)[there]
        logits, wanted = net.logits(hidden), answer.flatten(0, 1)[there]
        loss = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view_as(wanted)
        right = ((logits.detach().argmax(-1) == wanted) | (wanted == 0)).all(-1).long()
        right = torch.where(full.flatten()[there], right, torch.full_like(right, -1))
        return (loss * self.content[wanted]).sum(-1).mean() / 30, right, batch["kind"].flatten()[there]
