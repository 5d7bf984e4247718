"""Tiny random checkpoints: real Hugging Face folders, remade bit for bit from a seed on any machine.

Weights come from Philox's raw integers by exact arithmetic only, so that no version of numpy changes them: golden
cases stay small because their checkpoints are not checked in. Scales follow what trains well (shared/NANO.md), so
that logits, entropies and routing are spread as a real model's are, and every norm and scale differs from one, so
that leaving one out shows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from dgemma_ros.checkpoint.config import read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.weights import expected_shapes
from tests.checkpoint_files import packed, write_shards

KINDS = {"S": "sliding_attention", "F": "full_attention"}
STORED = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@dataclass(frozen=True)
class TinyVision:
    hidden: int = 24
    inner: int = 40
    layers: int = 2
    heads: int = 2
    kv_heads: int = 2
    head_dim: int = 12
    patch: int = 4
    pooling: int = 3
    positions: int = 24
    standardize: bool = True
    rope_type: str = "default"


@dataclass(frozen=True)
class Tiny:
    """One checkpoint. ``layers`` spells the stack: S sliding, F full."""

    layers: str = "SFSF"
    vocab: int = 128
    hidden: int = 48
    inner: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    full_kv_heads: int = 1
    full_head_dim: int = 32
    full_partial: float = 0.25
    window: int = 64
    experts: int = 4
    top_k: int = 2
    expert_inner: int = 32
    canvas: int = 16
    positions: int = 1 << 18
    softcap: float = 30.0
    bidirectional_images: bool = True
    vision: TinyVision | None = field(default_factory=TinyVision)
    sharpness: float = 3.0
    """Weight of the last norm: spreads the logits."""
    feedback: float = 0.1
    """Scale of the self-conditioning's output. A random network amplifies rounding through it, threefold a step at 0.5;
    at 0.1 the reference's own two attention implementations stay within 1e-4 of each other for eight steps."""
    form: str = "released"
    """Of config.json: "released", or "saved" as transformers 5.23 writes it."""
    dtype: str = "float32"
    nvfp4: bool = False
    shards: int = 1
    seed: int = 0

    def with_(self, **changes: Any) -> Tiny:
        return replace(self, **changes)


TINIES = {
    "plain": Tiny(layers="SSF", vocab=97, window=24, vision=None),
    "images": Tiny(),
    "small_window": Tiny(
        layers="SSSF", vocab=150, window=8, canvas=8, vision=TinyVision(pooling=2, standardize=False), form="saved"
    ),
    "many_experts": Tiny(
        layers="SF", hidden=64, experts=16, top_k=4, expert_inner=16, canvas=32, vision=TinyVision(rope_type="axial")
    ),
    "all_full": Tiny(layers="FF", vocab=64, full_kv_heads=2, canvas=8, bidirectional_images=False, form="saved"),
    "odd_pattern": Tiny(
        layers="FSSFSF",
        heads=6,
        kv_heads=3,
        full_kv_heads=2,
        full_head_dim=24,
        full_partial=0.5,
        window=13,
        softcap=12.0,
        feedback=0.05,
        experts=5,
        top_k=3,
        vision=TinyVision(heads=4, kv_heads=2, head_dim=8, pooling=2),
        shards=3,
    ),
    "contractive": Tiny(layers="SSF", window=16, feedback=0.02, sharpness=6.0),
}


class Noise:
    """A stream of random numbers that depends on the key alone, not on numpy's version."""

    def __init__(self, *key: object) -> None:
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def raw(self, count: int) -> np.ndarray:
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """float32 in [0, 1), 24 random bits each."""
        return ((self.raw(prod(shape)) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)).reshape(shape)

    def integers(self, low: int, high: int, shape: tuple[int, ...] = ()) -> np.ndarray:
        """int64 in [low, high)."""
        return (low + (self.raw(prod(shape)) % np.uint64(high - low)).astype(np.int64)).reshape(shape)

    def integer(self, low: int, high: int) -> int:
        return int(self.integers(low, high))

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """float64, mean 0, variance 1, bell-shaped: the sum of four 16-bit numbers, exact in every step."""
        parts = self.raw(prod(shape)).view(np.uint16).reshape(-1, 4).astype(np.int64).sum(-1)
        return ((parts - 2 * 65535) * (np.sqrt(3.0) / 65536)).reshape(shape)


def config_json(tiny: Tiny) -> dict[str, Any]:
    """The content of config.json."""
    text: dict[str, Any] = {
        "model_type": "diffusion_gemma_text",
        "vocab_size": tiny.vocab,
        "hidden_size": tiny.hidden,
        "intermediate_size": tiny.inner,
        "num_hidden_layers": len(tiny.layers),
        "layer_types": [KINDS[letter] for letter in tiny.layers],
        "num_attention_heads": tiny.heads,
        "num_key_value_heads": tiny.kv_heads,
        "head_dim": tiny.head_dim,
        "hidden_activation": "gelu_pytorch_tanh",
        "sliding_window": tiny.window,
        "num_experts": tiny.experts,
        "top_k_experts": tiny.top_k,
        "moe_intermediate_size": tiny.expert_inner,
        "max_position_embeddings": tiny.positions,
        "rms_norm_eps": 1e-6,
        "attention_bias": False,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {
                "rope_type": "proportional",
                "partial_rotary_factor": tiny.full_partial,
                "rope_theta": 1000000.0,
            },
        },
        "use_bidirectional_attention": "vision" if tiny.bidirectional_images else None,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    if tiny.form == "released":
        text |= {"global_head_dim": tiny.full_head_dim, "num_global_key_value_heads": tiny.full_kv_heads}
        text |= {"final_logit_softcapping": tiny.softcap, "tie_word_embeddings": True}
    else:
        heads = {"head_dim": tiny.full_head_dim, "num_key_value_heads": tiny.full_kv_heads}
        text["per_layer_config"] = {str(i): heads for i, letter in enumerate(tiny.layers) if letter == "F"}
        if tiny.softcap != 30.0:
            text["final_logit_softcapping"] = tiny.softcap
    root = {
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "model_type": "diffusion_gemma",
        "boi_token_id": tiny.vocab - 3,
        "image_token_id": tiny.vocab - 2,
        "eoi_token_id": tiny.vocab - 1,
        "canvas_length": tiny.canvas,
        "dtype": tiny.dtype,
        "tie_word_embeddings": True,
        "text_config": text,
    }
    if tiny.vision is not None:
        vision = tiny.vision
        root["vision_config"] = {
            "model_type": "gemma4_vision",
            "hidden_size": vision.hidden,
            "intermediate_size": vision.inner,
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads,
            "num_key_value_heads": vision.kv_heads,
            "head_dim": vision.head_dim,
            "hidden_activation": "gelu_pytorch_tanh",
            "rms_norm_eps": 1e-6,
            "patch_size": vision.patch,
            "pooling_kernel_size": vision.pooling,
            "position_embedding_size": vision.positions,
            "standardize": vision.standardize,
            "use_clipped_linears": False,
            "rope_parameters": {"rope_type": vision.rope_type, "rope_theta": 100.0},
        }
    return root


def weights(tiny: Tiny) -> dict[str, np.ndarray]:
    """All tensors by canonical name, float32 (the values before they are stored in another type)."""
    config = read_config(Section(Path("config.json"), config_json(tiny)))
    return {name: weight(tiny, name, shape) for name, shape in expected_shapes(config).items()}


def weight(tiny: Tiny, name: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = Noise(tiny.seed, name)
    if name.endswith("layer_scalar"):
        value = (0.8 if ".encoder." in name else 0.9) + 0.2 * noise.uniform(shape).astype(np.float64)
    elif name.endswith("embed_tokens.weight"):
        value = noise.normal(shape) / np.sqrt(tiny.hidden)
    elif name.endswith("position_embedding_table"):
        value = 0.3 * noise.normal(shape)
    elif name.endswith("std_bias"):
        value = 0.5 * noise.normal(shape)
    elif len(shape) > 1:  # linear layers and experts: the last dimension is the fan-in
        gain = tiny.feedback if name.endswith("self_conditioning.down_proj.weight") else 1.0
        value = gain * noise.normal(shape) / np.sqrt(shape[-1])
    else:
        value = _level(tiny, name, shape) * (1.0 + 0.2 * noise.normal(shape))
    return value.astype(np.float32)


def _level(tiny: Tiny, name: str, shape: tuple[int, ...]) -> float:
    """Around what the weights of a norm or scale lie."""
    if name.endswith(("q_norm.weight", "k_norm.weight")):
        return float(1.5 / np.sqrt(np.sqrt(shape[0])))  # attention is not scaled otherwise
    if name.endswith("router.scale"):
        return float(1.5 * np.sqrt(tiny.hidden))  # undoes the router's own factor, so that experts are told apart
    if "vision_tower" in name and ".post_" in name:
        return 0.3
    if name.endswith("decoder.norm.weight"):
        return tiny.sharpness
    if name.endswith("std_scale"):
        return 0.2
    return 1.0


def make(folder: Path, tiny: Tiny) -> Path:
    """Write the checkpoint of ``tiny`` into ``folder`` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_json(tiny), indent=2))
    generation = {
        "max_denoising_steps": 12,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.4},
        "t_min": 0.4,
        "t_max": 0.8,
        "stability_threshold": 1,
        "confidence_threshold": 0.05,
        "max_new_tokens": 3 * tiny.canvas,
        "eos_token_id": [1, 3],
        "pad_token_id": 0,
        "bos_token_id": 2,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2))
    stored: dict[str, np.ndarray] = {}
    for name, value in weights(tiny).items():
        if tiny.nvfp4 and ".experts." in name:
            stored |= packed(name, value)
        else:
            stored[name] = value.astype(STORED[tiny.dtype])
    write_shards(folder, stored, tiny.shards)
    return folder
