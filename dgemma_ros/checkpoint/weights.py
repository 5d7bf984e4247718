"""Every tensor that the graphs need, by one canonical name, however the checkpoint stores it.

The canonical names are those of an unquantised checkpoint (see :func:`expected_shapes`). Stored NVFP4 experts are
shown under the fused names, ``….experts.gate_up_proj`` and ``….experts.down_proj``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dgemma_ros.checkpoint import nvfp4
from dgemma_ros.checkpoint.architecture import LayerConfig, ModelConfig, TextConfig, VisionConfig
from dgemma_ros.checkpoint.tensors import TensorEntry, Tensors
from dgemma_ros.errors import CheckpointError

DECODER: Final = "model.decoder"
ENCODER: Final = "model.encoder"
EMBEDDING: Final = f"{DECODER}.embed_tokens.weight"
"""Lookup table, head and soft embedding in one."""

Shape = tuple[int, ...]
_FLOATS: Final = ("F32", "F16", "BF16")
_PROJECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "gate_up_proj": ("gate_proj", "up_proj"),
    "down_proj": ("down_proj",),
}


def expected_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Canonical name → shape of every tensor of the model, in the order of the computation."""
    shapes: dict[str, Shape] = {}
    if config.vision is not None:
        shapes.update(_vision_shapes(config.vision, config.text.hidden_size))
    text = config.text
    hidden, inner = text.hidden_size, text.intermediate_size
    shapes[EMBEDDING] = (text.vocab_size, hidden)
    shapes[f"{DECODER}.self_conditioning.pre_norm.weight"] = (hidden,)
    shapes.update(_mlp_shapes(f"{DECODER}.self_conditioning", hidden, inner, ".weight"))
    for layer in text.layers:
        shapes.update(_layer_shapes(text, layer))
    shapes[f"{DECODER}.norm.weight"] = (hidden,)
    return shapes


def _mlp_shapes(prefix: str, hidden: int, inner: int, suffix: str) -> Iterator[tuple[str, Shape]]:
    yield f"{prefix}.gate_proj{suffix}", (inner, hidden)
    yield f"{prefix}.up_proj{suffix}", (inner, hidden)
    yield f"{prefix}.down_proj{suffix}", (hidden, inner)


def _attention_shapes(
    prefix: str, hidden: int, heads: int, kv_heads: int, head_dim: int, suffix: str, has_v_proj: bool = True
) -> Iterator[tuple[str, Shape]]:
    yield f"{prefix}.q_proj{suffix}", (heads * head_dim, hidden)
    yield f"{prefix}.k_proj{suffix}", (kv_heads * head_dim, hidden)
    if has_v_proj:
        yield f"{prefix}.v_proj{suffix}", (kv_heads * head_dim, hidden)
    yield f"{prefix}.o_proj{suffix}", (hidden, heads * head_dim)
    yield f"{prefix}.q_norm.weight", (head_dim,)
    yield f"{prefix}.k_norm.weight", (head_dim,)


def _layer_shapes(text: TextConfig, layer: LayerConfig) -> Iterator[tuple[str, Shape]]:
    prefix, hidden = f"{DECODER}.layers.{layer.index}", text.hidden_size
    experts, inner = text.experts, text.expert_intermediate_size
    for norm in (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "pre_feedforward_layernorm_2",
        "post_feedforward_layernorm_1",
        "post_feedforward_layernorm_2",
        "post_feedforward_layernorm",
    ):
        yield f"{prefix}.{norm}.weight", (hidden,)
    yield from _attention_shapes(
        f"{prefix}.self_attn", hidden, text.heads, layer.kv_heads, layer.head_dim, ".weight", layer.has_v_proj
    )
    yield from _mlp_shapes(f"{prefix}.mlp", hidden, text.intermediate_size, ".weight")
    yield f"{prefix}.router.proj.weight", (experts, hidden)
    yield f"{prefix}.router.scale", (hidden,)
    yield f"{prefix}.router.per_expert_scale", (experts,)
    yield f"{prefix}.experts.gate_up_proj", (experts, 2 * inner, hidden)
    yield f"{prefix}.experts.down_proj", (experts, hidden, inner)
    # The one thing that encoder and decoder do not share.
    yield f"{prefix}.layer_scalar", (1,)
    yield f"{ENCODER}.language_model.layers.{layer.index}.layer_scalar", (1,)


def _vision_shapes(vision: VisionConfig, text_hidden: int) -> Iterator[tuple[str, Shape]]:
    tower, hidden = f"{ENCODER}.vision_tower", vision.hidden_size
    yield f"{tower}.patch_embedder.input_proj.weight", (hidden, vision.patch_dim)
    yield f"{tower}.patch_embedder.position_embedding_table", (2, vision.position_table, hidden)
    for index in range(vision.layers):
        prefix = f"{tower}.encoder.layers.{index}"
        for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            yield f"{prefix}.{norm}_layernorm.weight", (hidden,)
        yield from _attention_shapes(
            f"{prefix}.self_attn", hidden, vision.heads, vision.kv_heads, vision.head_dim, ".linear.weight"
        )
        yield from _mlp_shapes(f"{prefix}.mlp", hidden, vision.intermediate_size, ".linear.weight")
    if vision.standardize:
        yield f"{tower}.std_bias", (hidden,)
        yield f"{tower}.std_scale", (hidden,)
    yield f"{ENCODER}.embed_vision.embedding_projection.weight", (text_hidden, hidden)


class Weights:
    """The tensors of ``expected_shapes(config)``. Immutable; safe to read from several threads."""

    def __init__(self, tensors: Tensors, config: ModelConfig) -> None:
        self.tensors = tensors
        self.shapes: Mapping[str, Shape] = expected_shapes(config)

    @classmethod
    def open(cls, folder: Path, config: ModelConfig) -> Weights:
        """The weights in ``folder``, checked against ``config``. Raises :class:`CheckpointError`."""
        weights = cls(Tensors.open(folder), config)
        weights.check()
        return weights

    def check(self) -> None:
        """Raise :class:`CheckpointError` for the first tensor that is missing or has a wrong type or shape."""
        for name, shape in self.shapes.items():
            prefix, _, projection = name.rpartition(".")
            if name in self.tensors:
                entry = self.tensors.entry(name)
                if entry.shape != shape:
                    raise CheckpointError(
                        f"{entry.file}: {name} has shape {list(entry.shape)}, but config.json asks for {list(shape)}"
                    )
                if entry.dtype not in _FLOATS:
                    raise CheckpointError(
                        f"{entry.file}: {name} is stored as {entry.dtype}, which is not supported; "
                        f"use a checkpoint in {', '.join(_FLOATS)}, or with NVFP4 experts"
                    )
            elif self.is_packed(name):
                nvfp4.check_packed(self.tensors, prefix, _PROJECTIONS[projection], shape)
            else:
                raise CheckpointError(
                    f"{self.tensors.folder}: {name} {list(shape)} is missing; "
                    "the checkpoint is incomplete, or quantised in a form that is not supported"
                )

    def is_packed(self, name: str) -> bool:
        """Whether ``name`` is not stored as one tensor, but must be stacked from NVFP4 experts."""
        prefix, _, projection = name.rpartition(".")
        return name not in self.tensors and projection in _PROJECTIONS and nvfp4.is_packed(self.tensors, prefix)

    def entry(self, name: str) -> TensorEntry:
        """Where ``name`` lies as one tensor. Raises :class:`CheckpointError` for what :meth:`is_packed`."""
        return self.tensors.entry(name)

    def packed(self, name: str) -> nvfp4.PackedExperts:
        """The NVFP4 stack behind ``name``, copied together."""
        prefix, _, projection = name.rpartition(".")
        return nvfp4.stack(self.tensors, prefix, _PROJECTIONS[projection], self.shapes[name][0])

    def array(self, name: str, dtype: npt.DTypeLike | None = np.float32) -> npt.NDArray[Any]:
        """The tensor in ``dtype``, or for None as stored (NVFP4 as float32).

        Read-only over the mapped file where no conversion is needed, else a new array.
        """
        stored = self.packed(name).dequantised() if self.is_packed(name) else self.tensors.array(name)
        if dtype is None or stored.dtype == dtype:
            return stored
        if stored.dtype == "bfloat16" and dtype == np.float32:
            # A bfloat16 is the upper half of a float32; shifting is several times faster than ml_dtypes' cast.
            return (stored.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return stored.astype(dtype)
