"""The reference as a planner: the sampler's loop on whole batches, and `generate` for one prompt at a time.

Development only (torch). `evaluate.py --reference` uses it to compare, and so do the tests; nothing shipped imports it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import DiffusionGemmaForBlockDiffusion

from dgemma_ros.runtime.noise import Noise
from tests.oracle import reference as judge
from training import batches, objective, prompt


@dataclass
class Outcome:
    """Texts of the answers with the denoising steps that each took."""

    texts: list[str]
    steps: list[int]


class Reference:
    """A checkpoint folder opened by transformers, in float32."""

    def __init__(self, folder: Path, model: DiffusionGemmaForBlockDiffusion | None = None):
        torch.set_num_threads(1)
        self.folder = str(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = model or DiffusionGemmaForBlockDiffusion.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        )
        self.model.eval()
        self.defaults: dict[str, Any] = json.loads((folder / "generation_config.json").read_text())
        self.prefix = self.tokenizer.encode(prompt.system_text(), add_special_tokens=False).ids
        self.runner = objective.Runner(self.model, self.prefix)

    @torch.no_grad()
    def plan(self, batch: batches.Batch, steps: int | None = None, seed: int = 0) -> list[Outcome]:
        """Answers for every group of a batch: entropy-bound sampling with early stop, as in `generate`."""
        generator = torch.Generator().manual_seed(seed)
        return [
            self._denoise(context, len(group.answer), steps or self.defaults["max_denoising_steps"], generator)
            for group, context in self.runner.read(batch, self.runner.soft_tokens(batch))[1]
        ]

    def _denoise(self, context: objective.Context, rows: int, steps: int, generator: torch.Generator) -> Outcome:
        rule, size = self.defaults, (rows, self.model.config.canvas_length)
        vocabulary = self.runner.text.vocab_size
        canvas = torch.randint(vocabulary, size, generator=generator)
        best = torch.full(size, -1)
        previous: Tensor | None = None
        done, used = torch.zeros(rows, dtype=torch.bool), torch.zeros(rows, dtype=torch.long)
        for left in range(steps, 0, -1):
            heat = rule["t_min"] + (rule["t_max"] - rule["t_min"]) * left / steps
            logits = self.runner.denoise(context, canvas, previous) / heat
            share = logits.softmax(-1)
            entropy = -(share * logits.log_softmax(-1)).sum(-1)
            drawn = torch.multinomial(share.flatten(0, 1), 1, generator=generator).view(size)
            order = entropy.sort(-1)
            bound = order.values.cumsum(-1) - order.values <= rule["sampler_config"]["entropy_bound"]
            accepted = torch.zeros(size, dtype=torch.bool).scatter(1, order.indices, bound)
            canvas = torch.where(accepted, drawn, torch.randint(vocabulary, size, generator=generator))
            words = torch.where(done[:, None], best, logits.argmax(-1))
            used += ~done
            done |= (words == best).all(1) & (entropy.mean(1) < rule["confidence_threshold"])
            best, previous = words, logits
            if done.all():
                break
        return Outcome(self.tokenizer.decode_batch(best.tolist(), skip_special_tokens=False), used.tolist())

    @torch.no_grad()
    def generate(
        self, ids: list[int], patches: Tensor, positions: Tensor, noise: int | Noise = 0, **options: Any
    ) -> tuple[str, int]:
        """transformers' `generate` on one prompt: (text, steps). `patches` [pictures, P, 3·patch²], 0 to 1.

        `noise` is a seed of torch's own random numbers, or the runtime's noise, which then takes their place.
        """
        tokens = torch.tensor([ids])
        image = self.model.config.image_token_id
        media = {"pixel_values": patches, "image_position_ids": positions} if len(patches) else {}
        count = _Count()
        options |= media | {"mm_token_type_ids": (tokens == image).long(), "streamer": count}
        if isinstance(noise, Noise):
            out = judge.generate(self.model, np.array(ids), noise.step, noise.canvas, **options)
        else:
            torch.manual_seed(noise)
            out = self.model.generate(tokens, **options)
        return self.tokenizer.decode(out.sequences[0, len(ids) :].tolist(), skip_special_tokens=False), count.steps


class _Count:
    """A streamer that only counts drafts."""

    steps = 0

    def put_draft(self, value: Tensor) -> None:
        self.steps += 1

    def put(self, value: Tensor) -> None:
        pass

    def end(self) -> None:
        pass
