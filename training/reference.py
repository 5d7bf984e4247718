"""The reference's `generate` for one prompt at a time.

Development only (torch, transformers): `evaluate.py --reference` and the tests compare with it; nothing shipped imports
it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import DiffusionGemmaForBlockDiffusion

from dgemma_ros.runtime.noise import Noise
from tests.oracle import reference as judge


class Reference:
    """A checkpoint folder opened by transformers, in float32."""

    def __init__(self, folder: Path):
        torch.set_num_threads(1)
        self.folder = str(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = DiffusionGemmaForBlockDiffusion.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        )
        self.model.eval()
        self.defaults: dict[str, Any] = json.loads((folder / "generation_config.json").read_text())

    @torch.no_grad()
    def generate(
        self, ids: list[int], patches: Tensor, positions: Tensor, noise: int | Noise = 0, **options: Any
    ) -> str:
        """The text for one prompt. `patches` [pictures, P, 3·patch²], 0 to 1.

        `noise` is a seed of torch's own random numbers, or the runtime's noise, which then takes their place.
        """
        tokens = torch.tensor([ids])
        image = self.model.config.image_token_id
        media = {"pixel_values": patches, "image_position_ids": positions} if len(patches) else {}
        options |= media | {"mm_token_type_ids": (tokens == image).long()}
        if isinstance(noise, Noise):
            out = judge.generate(self.model, np.array(ids), noise.step, noise.canvas, **options)
        else:
            torch.manual_seed(noise)
            out = self.model.generate(tokens, **options)
        return str(self.tokenizer.decode(out.sequences[0, len(ids) :].tolist(), skip_special_tokens=False))
