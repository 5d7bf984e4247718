"""The model run as in use, but on whole batches with gradients: prefix, scenes, tasks, canvas; and the loss.

The reference's classes do all the arithmetic. What is made here are the masks, because rows of different lengths are
padded: a token's *rank* counts the valid tokens before it, and the sliding window is measured in ranks, so a padded row
computes what the same row computes alone (`tests/oracle/test_nano.py` holds that equal to `generate`). Each layer's
cache keeps everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DiffusionGemmaForBlockDiffusion, DynamicCache

from training.batches import COLOUR_WORDS, SHAPE_WORDS, Batch, Cards, Group
from training.checkpoint_sizes import CANVAS
from training.relations import MARKS


@dataclass
class Context:
    """What the encoder has read: one cache for a number of rows, with every token's rank and validity [rows, length];
    `gap` is what the positions run ahead of the ranks by (rows dropped earlier), [rows]. `start` columns, which no
    row's window reaches any more, are left out of the sliding layers' caches (`sliding` names those layers)."""

    cache: DynamicCache
    rank: Tensor
    valid: Tensor
    gap: Tensor
    start: int
    window: int
    sliding: frozenset[int]
    hidden: Tensor | None = None  # of the tokens read last, [rows, n, hidden]
    middle: Tensor | None = None  # the same in the middle layer

    def near(self) -> Tensor:
        """The tokens that a canvas, or the next token, sees in a sliding layer: the last window - 1."""
        return self.valid & (self.rank > self.valid.sum(1, keepdim=True) - self.window)

    def take(self, index: Tensor) -> Context:
        """The same context for other rows: `index` names the row that each new one copies."""
        cache = DynamicCache()
        reached = self.near().any(0).nonzero()
        start = max(self.start, int(reached[0]) if len(reached) else 0)
        for number, layer in enumerate(self.cache.layers):
            first = start - self.start if number in self.sliding else 0
            cache.update(layer.keys[index, :, first:], layer.values[index, :, first:], number)
        return replace(
            self,
            cache=cache,
            rank=self.rank[index],
            valid=self.valid[index],
            gap=self.gap[index],
            start=start,
            hidden=None,
            middle=None,
        )


class Runner:
    """Runs a model on batches. `window` and the layers come from its configuration."""

    def __init__(self, model: DiffusionGemmaForBlockDiffusion, prefix: list[int]):
        self.model = model
        self.text = model.config.text_config
        self.prefix = torch.tensor([prefix])

    def empty(self) -> Context:
        sliding = frozenset(i for i, kind in enumerate(self.text.layer_types) if kind == "sliding_attention")
        return Context(
            DynamicCache(),
            torch.zeros(1, 0, dtype=torch.long),
            torch.zeros(1, 0, dtype=torch.bool),
            torch.zeros(1, dtype=torch.long),
            0,
            self.text.sliding_window,
            sliding,
        )

    def soft_tokens(self, batch: Batch) -> Tensor:
        """[images · soft tokens, hidden], in the order of the pictures."""
        pixels = torch.from_numpy(batch.patches).float() / 255
        positions = torch.from_numpy(batch.positions).expand(len(pixels), -1, -1)
        return self.model.model.encoder.get_image_features(pixels, positions, return_dict=True).pooler_output

    def encode(
        self,
        context: Context,
        ids: Tensor,
        valid: Tensor,
        image: Tensor | None = None,
        soft: Tensor | None = None,
        card: Tensor | None = None,
        place: Tensor | None = None,
    ) -> Context:
        """Reads ids [rows, n] after what the context holds. `image` numbers each token's picture (-1: text). With
        `card` and `place`, a token sees of the new ones only those of its card, and stands at its place in it."""
        last = context.valid.sum(1, keepdim=True)
        rank = last + (valid.cumsum(1) - 1 if place is None else place)
        rank = torch.where(valid, rank, torch.full_like(ids, -10_000))
        embeds = self.model.model.encoder.get_input_embeddings()(ids)
        block = torch.full_like(ids, -1) if image is None else image
        if soft is not None:
            embeds = embeds.masked_scatter((block >= 0)[..., None], soft.to(embeds.dtype))
        ranks, valids = torch.cat([context.rank, rank], 1), torch.cat([context.valid, valid], 1)
        gone = ids.shape[1] - ranks.shape[1]
        same = torch.zeros(len(ids), ids.shape[1], ranks.shape[1], dtype=torch.bool)
        same[:, :, -gone if gone else 0 :] = (block[:, :, None] == block[:, None]) & (block[:, :, None] >= 0)
        itself = torch.zeros_like(same[0])
        itself[:, ranks.shape[1] - ids.shape[1] :] = torch.eye(ids.shape[1], dtype=torch.bool)
        causal = (ranks[:, None] <= rank[:, :, None]) & valids[:, None]
        if card is not None:
            causal[:, :, -ids.shape[1] :] &= card[:, :, None] == card[:, None]
        near = causal & (rank[:, :, None] - ranks[:, None] < self.text.sliding_window)
        masks = {
            "full_attention": causal | same | itself,
            "sliding_attention": (near | same | itself)[:, :, context.start :],
        }
        found: list[Tensor] = []
        layers = self.model.model.encoder.language_model.layers
        hook = layers[len(layers) // 2].register_forward_hook(lambda _module, _given, made: found.append(made))
        read = self.model.model.encoder(
            inputs_embeds=embeds,
            attention_mask={k: _additive(m[:, None]) for k, m in masks.items()},
            position_ids=rank.clamp(min=0) + context.gap[:, None],
            past_key_values=context.cache,
        )
        hook.remove()
        return replace(context, rank=ranks, valid=valids, hidden=read.last_hidden_state, middle=found[0])

    def denoise(
        self, context: Context, canvas: Tensor, previous: Tensor | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """Logits [rows, CANVAS, vocabulary]. `previous`: processed logits of the step before, on for `rows`."""
        last = context.valid.sum(1, keepdim=True)
        own = torch.ones(len(canvas), canvas.shape[1], dtype=torch.bool)
        masks = {
            name: _additive(torch.cat([seen, own], 1)[:, None, None])
            for name, seen in (
                ("full_attention", context.valid),
                ("sliding_attention", context.near()[:, context.start :]),
            )
        }
        positions = last + torch.arange(canvas.shape[1]) + context.gap[:, None]
        return self.model(
            past_key_values=context.cache,
            decoder_input_ids=canvas,
            self_conditioning_logits=previous,
            self_conditioning_mask=rows,
            decoder_attention_mask=masks,
            decoder_position_ids=positions,
        ).logits

    def read(
        self, batch: Batch, soft: Tensor, gap: Tensor | None = None
    ) -> tuple[Context, list[tuple[Group, Context]]]:
        """Prefix once, scenes once, then each group's tasks: the scenes' context and those on which the canvases are
        denoised."""
        prefix = self.encode(self.empty(), self.prefix, torch.ones_like(self.prefix, dtype=torch.bool))
        scenes = prefix.take(torch.zeros(len(batch.ids), dtype=torch.long))
        if gap is not None:
            scenes.gap = gap
        scenes = self.encode(
            scenes, torch.from_numpy(batch.ids), torch.from_numpy(batch.valid), torch.from_numpy(batch.image), soft
        )
        return scenes, [
            (
                group,
                self.encode(
                    scenes.take(torch.from_numpy(group.scene)),
                    torch.from_numpy(group.ids),
                    torch.from_numpy(group.valid),
                ),
            )
            for group in batch.groups
        ]


def _additive(mask: Tensor) -> Tensor:
    """A mask as eager attention adds it to the scores: 0 where attention is allowed."""
    return torch.zeros(mask.shape).masked_fill(~mask, -1e4)


class Grounding(nn.Module):
    """The help for the vision tower, thrown away after training: each soft token should point at the words that are
    true of its cell (dot product with their embeddings) and tell where in the picture its object lies."""

    def __init__(self, hidden: int, word_ids: list[int]):
        super().__init__()
        self.word_ids = torch.tensor(word_ids)
        self.bias = nn.Parameter(torch.full((len(word_ids),), -2.0))
        self.where = nn.Linear(hidden, 2)

    def forward(self, soft: Tensor, embeddings: Tensor, truth: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, share of object cells whose colour and shape are told rightly)."""
        soft = soft.float()
        scores = soft @ embeddings[self.word_ids].t() + self.bias
        truth, offsets = truth.reshape(scores.shape), offsets.reshape(-1, 3)
        there = offsets[:, 2] > 0
        weight = 1 + 4 * truth
        words = functional.binary_cross_entropy_with_logits(scores, truth, weight)
        place = functional.mse_loss(self.where(soft)[there], offsets[there, :2])
        told = [scores[there, a:b].argmax(1) == truth[there, a:b].argmax(1) for a, b in (COLOUR_WORDS, SHAPE_WORDS)]
        right = (told[0] & told[1]).float().mean()
        return words + place, right


class Relations(nn.Module):
    """Help for the encoder, thrown away after training: a linear map of its middle layer tells `relations.MARKS` of
    each soft token's cell."""

    def __init__(self, hidden: int):
        super().__init__()
        self.told = nn.Linear(hidden, len(MARKS))
        nn.init.zeros_(self.told.weight)
        nn.init.constant_(self.told.bias, -3.0)

    def forward(self, batch: Batch, scenes: Context) -> tuple[Tensor, Tensor]:
        """(loss: the sum over the marks, as a mean over the cells that have any; share of those with all marks told
        rightly)."""
        assert scenes.middle is not None
        soft = scenes.middle[torch.from_numpy(batch.image) >= 0]
        truth = torch.from_numpy(batch.marks).flatten(0, 1)
        there = truth.any(1)
        scores, wanted = self.told(soft[there]), truth[there]
        loss = functional.binary_cross_entropy_with_logits(scores, wanted, 1 + 2 * wanted, reduction="sum") / len(
            wanted
        )
        return loss, ((scores > 0) == (wanted > 0)).all(1).float().mean()


def noisy(answer: Tensor, vocabulary: int, generator: torch.Generator) -> Tensor:
    """A canvas at a random noise level: 30 % of the rows fully random, the others in a random part of their places."""
    level = torch.rand(len(answer), 1, generator=generator)
    level = torch.where(torch.rand(len(answer), 1, generator=generator) < 0.3, torch.ones(()), level)
    hit = torch.rand(answer.shape, generator=generator) < level
    return torch.where(hit, torch.randint(vocabulary, answer.shape, generator=generator), answer)


def next_word_loss(runner: Runner, ids: np.ndarray, counted: np.ndarray, context: Context) -> Tensor:
    """The encoder's own loss: mean cross-entropy of the words `counted` [rows, n], each told from those before it."""
    assert context.hidden is not None
    told = torch.from_numpy(counted)[:, 1:]
    cap = runner.model.final_logit_softcapping
    logits = torch.tanh(runner.model.lm_head(context.hidden[:, :-1][told]).float() / cap) * cap
    return functional.cross_entropy(logits, torch.from_numpy(ids)[:, 1:][told])


def text_loss(runner: Runner, group: Group, context: Context) -> Tensor:
    """The words of the tasks themselves: meant to teach the encoder to look at neighbours."""
    counted = group.valid.copy()
    counted[:, 1:] &= group.valid[:, :-1]
    return next_word_loss(runner, group.ids, counted, context)


def card_loss(runner: Runner, cards: Cards, scenes: Context) -> Tensor:
    """The answers of the scenes' cards. Adds the cards to `scenes`' caches, so nothing may be read after it there."""
    ids, valid, card, place = (torch.from_numpy(a) for a in (cards.ids, cards.valid, cards.card, cards.place))
    return next_word_loss(runner, cards.ids, cards.answer, runner.encode(scenes, ids, valid, card=card, place=place))


def group_loss(
    runner: Runner, group: Group, context: Context, content: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy over the canvas and the number of rows whose words are all right. `content` [vocabulary]
    weighs tokens."""
    answer = torch.from_numpy(group.answer)
    canvas = noisy(answer, runner.text.vocab_size, generator)
    half = len(canvas) // 2
    first = torch.randperm(len(canvas), generator=generator)
    again = first[:half]
    previous = None
    rows = torch.zeros(len(canvas), dtype=torch.bool)
    if half:
        with torch.no_grad():
            sub = context.take(again)
            heat = 0.4 + 0.6 * torch.rand(half, 1, 1, generator=generator)
            told = runner.denoise(sub, canvas[again]) / heat
        previous = torch.zeros(len(canvas), CANVAS, runner.text.vocab_size)
        previous[again] = told.float()
        rows[again] = True
    logits = runner.denoise(context, canvas, previous, rows).float()
    weight = content[answer]
    loss = functional.cross_entropy(logits.flatten(0, 1), answer.flatten(), reduction="none").view_as(answer)
    right = ((logits.argmax(-1) == answer) | (answer == 0)).all(1)
    return (loss * weight).sum(1) / 30, right
