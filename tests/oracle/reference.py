"""The judge: transformers' DiffusionGemma driven as its own ``generate()`` drives it, on given inputs and noise.

:func:`replay` answers a replay case (shared/INTERFACES.md) step by step; :func:`generate` runs the reference's own
loop with its random numbers replaced by given ones. What the reference lacks is added where its users would add it:
disallowed ids and temperature as logits processors, pins as rows that are certain.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DynamicCache
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
    StableAndConfidentStoppingCriteria,
)
from transformers.utils import logging as hf_logging

from dgemma_ros.checkpoint.config import load_config, load_generation_config

Case = Mapping[str, np.ndarray]
Model = DiffusionGemmaForBlockDiffusion

NO_TOWER = {
    "model_type": "gemma4_vision",
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "position_embedding_size": 2,
}
"""In place of a missing vision_config, for which the reference would build a tower of its default size."""


def load(folder: Path, attention: str = "eager") -> Model:
    """The checkpoint in float32. Raises AssertionError where the reference does not find exactly its own tensors."""
    hf_logging.set_verbosity_error()  # the missing tower is meant, and no bar for 131 072 parameters
    hf_logging.disable_progress_bar()
    config = DiffusionGemmaConfig.from_pretrained(folder)
    has_vision = "vision_config" in json.loads((folder / "config.json").read_text())
    if not has_vision:
        values = config.to_dict() | {"vision_config": NO_TOWER}
        config = DiffusionGemmaConfig.from_dict(values)
    model, info = DiffusionGemmaForBlockDiffusion.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation=attention, output_loading_info=True
    )
    missing = {name for name in info["missing_keys"] if has_vision or "vision" not in name}
    assert not missing and not info["unexpected_keys"] and not info["mismatched_keys"], (folder, info)
    return model.eval()


@torch.no_grad()
def prefill(model: Model, case: Case) -> DynamicCache:
    """Encode the prompt chunk by chunk; the cache afterwards."""
    ids, types = (torch.from_numpy(case[name])[None] for name in ("input_ids", "token_types"))
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    start = image = 0
    for length in case["chunks"].tolist():
        end = start + length
        positions = torch.arange(start, end, dtype=torch.int32)[None]
        if vision_mask(case) == "gemma":
            masks = gemma_masks(model, types[0, :end], start)
        else:
            masks = model.model.encoder.create_masks_for_generate(
                config=model.config,
                inputs_embeds=torch.empty((1, length, 0)),
                attention_mask=torch.ones((1, end), dtype=torch.bool),
                past_key_values=cache,
                position_ids=positions,
                mm_token_type_ids=types[:, :end],  # of the whole prefix: positions in the mask are absolute
            )
        # As the encoder's forward does, but by type: it finds soft tokens by id, and text may hold that id, too.
        embeds = model.model.encoder.get_input_embeddings()(ids[:, start:end])
        is_image = types[:, start:end] == 1
        pictures = _count_images(is_image[0])
        if pictures:
            features = model.model.encoder.get_image_features(
                torch.from_numpy(case["patches"][image : image + pictures]),
                torch.from_numpy(case["patch_positions"][image : image + pictures]),
            )
            embeds = embeds.masked_scatter(is_image[..., None], features.pooler_output)
        model.model.encoder(inputs_embeds=embeds, attention_mask=masks, past_key_values=cache, position_ids=positions)
        start, image = end, image + pictures
    assert start == ids.shape[1], "the chunks do not cover the prompt"
    return cache


def vision_mask(case: Case) -> str:
    return str(case.get("vision_mask", "transformers-5.23"))


def _count_images(is_image: torch.Tensor) -> int:
    before = torch.cat([torch.zeros(1, dtype=torch.bool), is_image[:-1]])
    return int((is_image & ~before).sum())


def gemma_masks(model: Model, types: torch.Tensor, start: int) -> dict[str, torch.Tensor]:
    """The official convention: full layers causal, sliding layers (causal or same image) and window."""
    text = model.config.text_config
    is_image = types == 1
    begins = is_image & ~torch.cat([torch.zeros(1, dtype=torch.bool), is_image[:-1]])
    block = torch.where(is_image, begins.cumsum(0) - 1, -1)
    if text.use_bidirectional_attention != "vision":
        block = torch.full_like(block, -1)
    query, key = torch.arange(start, len(types))[:, None], torch.arange(len(types))[None]
    causal = key <= query
    same = (block[query] == block[key]) & (block[query] >= 0)
    sliding = (causal | same) & (key > query - text.sliding_window)
    kept = max(0, start - text.sliding_window + 1)  # the cache has dropped what lies before
    allowed = {"full_attention": causal, "sliding_attention": sliding[:, kept:]}
    lowest = torch.finfo(torch.float32).min
    return {kind: torch.where(mask, 0.0, lowest)[None, None] for kind, mask in allowed.items()}


def inverse_cdf(probabilities: torch.Tensor, uniform: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [C] drawn from rows [C, V], and how far each number lay from a boundary of the CDF (1 = whole range)."""
    cdf = probabilities.double().cumsum(-1)
    cdf = cdf / cdf[:, -1:]
    target = torch.from_numpy(uniform.astype(np.float64))[:, None]
    drawn = torch.searchsorted(cdf, target, right=True).clamp_max(cdf.shape[1] - 1)
    return drawn[:, 0], (cdf[:, :-1] - target).abs().amin(-1)


@torch.no_grad()
def replay(model: Model, folder: Path, case: Case) -> dict[str, np.ndarray]:
    """Every array of OUT.npz, with logits and cache, and the margins by which ties are told:

    ``draw_margin`` [T, C] (distance of the uniform number from a CDF boundary), ``argmax_margin`` [T, C] (gap between
    the two largest processed logits), ``bound_margin`` [T, C] (distance of each position's acceptance from the bound),
    ``stop_margin`` [T] (distance of the mean entropy from the confidence asked for).
    """
    cache = prefill(model, case)
    config = load_config(folder)
    defaults = load_generation_config(folder, config)
    steps, length = case["canvas"].shape
    sampler = EntropyBoundSampler(
        EntropyBoundSamplerConfig(float(case["entropy_bound"])), length, config.text.vocab_size, steps
    )
    confidence = float(case.get("confidence", defaults.confidence))
    stopping = StableAndConfidentStoppingCriteria(int(case.get("stability", defaults.stability)), confidence)
    positions = torch.arange(len(case["input_ids"]), len(case["input_ids"]) + length, dtype=torch.int32)[None]
    masks = model.model.decoder.create_diffusion_decoder_attention_mask(
        config=model.config,
        inputs_embeds=torch.empty((1, length, 0)),
        past_key_values=cache,
        decoder_attention_mask=torch.ones((1, int(positions[0, -1]) + 1), dtype=torch.bool),
    )
    previous = None
    rows: list[dict[str, torch.Tensor]] = []
    for step in range(steps):
        canvas = torch.from_numpy(case["canvas"][step])[None]
        logits = model(
            decoder_input_ids=canvas,
            self_conditioning_logits=previous,
            decoder_attention_mask=masks,
            past_key_values=cache,
            decoder_position_ids=positions,
        ).logits
        previous = logits.clone()
        previous[..., torch.from_numpy(case.get("disallowed_ids", np.zeros(0, np.int64)))] = -torch.inf
        previous = previous / torch.tensor(float(case["temperature"][step]), dtype=torch.float32)
        # Pins do not reach the self-conditioning: the model keeps seeing what it thought of those positions.
        processed = _pinned(previous, case)
        probabilities = torch.softmax(processed, dim=-1, dtype=torch.float32)
        drawn, margin = inverse_cdf(probabilities[0], case["uniform"][step])
        argmax = processed.argmax(-1)
        accepted_canvas = sampler.accept_canvas(canvas, drawn[None], processed, 0)
        accepted = sampler.accepted_token_mask
        entropy = torch.distributions.Categorical(logits=processed).entropy()
        best = processed[0].topk(2, dim=-1).values
        rows.append(
            {
                "argmax": argmax[0],
                "drawn": drawn,
                "next_canvas": torch.where(
                    accepted, accepted_canvas, torch.from_numpy(case["random_tokens"][step])[None]
                )[0],
                "accepted": accepted[0],
                "entropy": entropy[0],
                "mean_entropy": entropy.mean(),
                "stop": stopping(argmax, processed)[0],
                "logits": logits[0],
                "draw_margin": margin,
                "argmax_margin": best[:, 0] - best[:, 1],
                "stop_margin": (entropy.mean() - confidence).abs(),
                "bound_margin": _bound_margin(entropy[0], float(case["entropy_bound"])),
            }
        )
    result = {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]} if rows else {}
    for index, layer in enumerate(cache.layers):
        result[f"key_{index}"], result[f"value_{index}"] = layer.keys[0].numpy(), layer.values[0].numpy()
    return result


def _pinned(processed: torch.Tensor, case: Case) -> torch.Tensor:
    """Rows of pinned positions become certain of their token: entropy 0, drawn and argmax the pin."""
    if "pin" not in case:
        return processed
    pin, ids = torch.from_numpy(case["pin"]), torch.from_numpy(case["pin_ids"])
    certain = torch.full_like(processed, -torch.inf).scatter(-1, torch.where(pin, ids, 0)[None, :, None], 0.0)
    return torch.where(pin[None, :, None], certain, processed)


def _bound_margin(entropy: torch.Tensor, bound: float) -> torch.Tensor:
    """Distance of ``cumsum(H) − H`` from the bound, at each position's place in the order."""
    ascending, order = torch.sort(entropy)
    margin = (ascending.cumsum(0) - ascending - bound).abs()
    return torch.zeros_like(margin).scatter(0, order, margin)


Noise = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


@torch.no_grad()
def generate(
    model: Model, input_ids: np.ndarray, noise: Noise, first: Callable[[int], np.ndarray], **options: Any
) -> Any:
    """The reference's own ``generate()`` with given noise; returns its output object (``sequences`` [1, S + new]).

    ``first(k)`` is the random canvas [C] that canvas k starts from; ``noise(k, step)`` gives the uniform numbers and
    the random tokens [C] of its step 0, 1, …  ``options`` go to ``generate()``.
    """
    canvas, step, drawn = -1, 0, False

    def randint(low: int, high: int, size: tuple[int, int], device: Any = None) -> torch.Tensor:
        # The sampler asks for a whole random canvas at a canvas's start, and again after each draw.
        nonlocal canvas, step, drawn
        if drawn:
            tokens, step, drawn = noise(canvas, step)[1], step + 1, False
        else:
            canvas, step = canvas + 1, 0
            tokens = first(canvas)
        return torch.from_numpy(tokens)[None]

    def multinomial(probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
        nonlocal drawn
        drawn = True
        return inverse_cdf(probabilities, noise(canvas, step)[0])[0][:, None]

    with mock.patch.object(torch, "randint", randint), mock.patch.object(torch, "multinomial", multinomial):
        return model.generate(torch.from_numpy(input_ids)[None], **options)
