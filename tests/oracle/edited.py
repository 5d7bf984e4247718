"""The reference with a cache that is edited layer by layer: rows removed from full layers, keys turned.

Its layers then have different lengths, for which the reference makes no masks; they are made here. Sliding layers keep
all that they were ever given, which a mask hides, so that any point of the past can be gone back to.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import DynamicCache
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import rotate_half

from tests.oracle.reference import Model

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass
class Edited:
    model: Model
    mask: str
    cache: DynamicCache = field(default_factory=DynamicCache)
    orders: list[int] = field(default_factory=list)
    """Of each row of the full layers: how many were appended before it."""
    positions: list[int] = field(default_factory=list)
    order: int = 0
    position: int = 0

    @property
    def window(self) -> int:
        return int(self.model.config.text_config.sliding_window)

    def layers(self, kind: str) -> list:
        kinds = self.model.config.text_config.layer_types
        return [layer for layer, own in zip(self.cache.layers, kinds, strict=False) if own == kind]

    @torch.no_grad()
    def append(self, ids: np.ndarray, types: np.ndarray, soft: np.ndarray | None) -> None:
        """In one chunk."""
        encoder, is_image = self.model.model.encoder, torch.from_numpy(types)[None] == 1
        embeds = encoder.get_input_embeddings()(torch.from_numpy(ids)[None])
        if soft is not None:
            embeds = embeds.masked_scatter(is_image[..., None], torch.from_numpy(soft))
        positions = torch.arange(self.position, self.position + len(ids), dtype=torch.int32)[None]
        encoder(
            inputs_embeds=embeds,
            attention_mask=self._masks(is_image[0]),
            past_key_values=self.cache,
            position_ids=positions,
        )
        self.orders += range(self.order, self.order + len(ids))
        self.positions += positions[0].tolist()
        self.order += len(ids)
        self.position += len(ids)

    def _masks(self, is_image: torch.Tensor) -> dict[str, torch.Tensor]:
        count = len(is_image)
        begins = is_image & ~torch.cat([torch.zeros(1, dtype=torch.bool), is_image[:-1]])
        block = torch.where(is_image, begins.cumsum(0) - 1, -1)
        if self.model.config.text_config.use_bidirectional_attention != "vision":
            block = torch.full_like(block, -1)
        masks = {}
        for kind, before in ((FULL, len(self.orders)), (SLIDING, self.order)):
            query, key = torch.arange(before, before + count)[:, None], torch.arange(before + count)[None]
            blocks = torch.cat([torch.full((before,), -2), block])
            same = (blocks[query] == blocks[key]) & (blocks[query] >= 0)
            causal, near = key <= query, key > query - self.window
            if self.mask == "gemma":
                seen = causal if kind == FULL else (causal | same) & near
            else:
                seen = causal | same if kind == FULL else (causal & near) | same
            masks[kind] = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None]
        return masks

    @torch.no_grad()
    def logits(self, canvases: np.ndarray, temperature: float) -> np.ndarray:
        """Of denoising steps [T, C], each conditioned on the one before: [T, C, V]."""
        near = self.copy()
        for layer in near.layers(SLIDING):
            first = max(0, self.order - (self.window - 1))
            layer.keys, layer.values = layer.keys[:, :, first:], layer.values[:, :, first:]
        count = canvases.shape[1]
        positions = torch.arange(self.position, self.position + count, dtype=torch.int32)[None]
        previous, result = None, []
        for canvas in canvases:
            logits = self.model(
                decoder_input_ids=torch.from_numpy(canvas)[None],
                self_conditioning_logits=previous,
                past_key_values=near.cache,
                decoder_position_ids=positions,
            ).logits
            previous = logits / temperature
            result.append(logits[0].numpy())
        return np.stack(result)

    def rows(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Keys and values that later rows can see."""
        layer, first = self.cache.layers[index], 0
        if self.model.config.text_config.layer_types[index] == SLIDING:
            first = max(0, self.order - (self.window - 1))
        return layer.keys[0, :, first:].numpy(), layer.values[0, :, first:].numpy()

    def evict(self, start: int, count: int) -> None:
        stop = start + count
        for layer in self.layers(FULL):
            layer.keys = torch.cat([layer.keys[:, :, :start], layer.keys[:, :, stop:]], 2)
            layer.values = torch.cat([layer.values[:, :, :start], layer.values[:, :, stop:]], 2)
        del self.orders[start:stop], self.positions[start:stop]

    def shift(self, start: int, delta: int) -> None:
        rotary = self.model.model.encoder.language_model.rotary_emb
        for kind, first in ((FULL, start), (SLIDING, 0)):
            for layer in self.layers(kind):
                angle = delta * getattr(rotary, f"{kind}_inv_freq").double()
                cos, sin = (torch.cat([part, part]) for part in (angle.cos(), angle.sin()))
                keys = layer.keys[:, :, first:].double()
                turned = (keys * cos + rotate_half(keys) * sin).float()
                layer.keys = torch.cat([layer.keys[:, :, :first], turned], 2)
        self.positions[start:] = [position + delta for position in self.positions[start:]]
        self.position += delta

    def close_gaps(self, start: int) -> None:
        rotary = self.model.model.encoder.language_model.rotary_emb
        closed = list(self.positions)
        for row in range(max(start, 1), len(closed)):
            closed[row] = closed[row - 1] + 1
        if start == 0 and closed:
            closed = [closed[0] + row for row in range(len(closed))]
        following = closed[-1] + 1 if closed else 0
        deltas = torch.tensor([new - old for new, old in zip(closed, self.positions, strict=True)])
        total = following - self.position
        for kind, by in ((FULL, deltas), (SLIDING, torch.full((self.order,), total))):
            for layer in self.layers(kind):
                angle = by.double()[:, None] * getattr(rotary, f"{kind}_inv_freq").double()
                cos, sin = (torch.cat([part, part], -1) for part in (angle.cos(), angle.sin()))
                keys = layer.keys.double()
                layer.keys = (keys * cos + rotate_half(keys) * sin).float()
        self.positions, self.position = closed, following

    def rollback(self, length: int) -> None:
        if length < len(self.orders):
            self.order, self.position = self.orders[length], self.positions[length]
        if length == 0:
            self.order = self.position = 0
        for kind, count in ((FULL, length), (SLIDING, self.order)):
            for layer in self.layers(kind):
                layer.keys, layer.values = layer.keys[:, :, :count], layer.values[:, :, :count]
        del self.orders[length:], self.positions[length:]

    def copy(self) -> Edited:
        return Edited(
            self.model, self.mask, deepcopy(self.cache), self.orders.copy(), self.positions.copy(), self.order,
            self.position,
        )  # fmt: skip
