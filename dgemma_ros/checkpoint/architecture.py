"""What a DiffusionGemma is: the sizes and constants that the graphs are written from.

Plain frozen data. :mod:`dgemma_ros.checkpoint.config` reads and checks it; whoever holds one of these may rely on
every constraint named there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from dgemma_ros.checkpoint.rope import inverse_powers


class LayerKind(StrEnum):
    """How far a layer of the text stack looks back."""

    SLIDING = "sliding"
    FULL = "full"


@dataclass(frozen=True)
class RopeConfig:
    """The rotary embedding of one kind of layer.

    ``proportional`` leaves the slowest frequencies of the head unrotated: of ``head_dim / 2`` pairs only
    ``partial_factor`` turn, but pairs are still (i, i + head_dim/2) over the whole head.
    """

    theta: float
    head_dim: int
    partial_factor: float
    proportional: bool

    def inverse_frequencies(self) -> npt.NDArray[np.float32]:
        """Radians a position, [head_dim/2]; zero where nothing rotates. Equal to the reference's bit for bit."""
        half = self.head_dim // 2
        rotating = int(self.partial_factor * self.head_dim // 2) if self.proportional else half
        frequencies = np.zeros(half, np.float32)
        frequencies[:rotating] = inverse_powers(self.theta, self.head_dim, rotating)
        return frequencies


@dataclass(frozen=True)
class LayerConfig:
    """One layer of the text stack."""

    index: int
    kind: LayerKind
    kv_heads: int
    head_dim: int

    @property
    def has_v_proj(self) -> bool:
        """Full layers have none: their values are the raw output of k_proj."""
        return self.kind is LayerKind.SLIDING

    @property
    def cache_names(self) -> tuple[str, str]:
        """Of its cache's keys and values, wherever they have a name; a graph's outputs add ``_out``."""
        return f"key_{self.index}", f"value_{self.index}"


@dataclass(frozen=True)
class TextConfig:
    """The backbone, shared by encoder and decoder."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    heads: int
    layers: tuple[LayerConfig, ...]
    sliding_window: int
    """A sliding layer's query sees itself and the ``sliding_window - 1`` positions before it."""
    rms_norm_eps: float
    softcap: float
    experts: int
    top_k: int
    expert_intermediate_size: int
    max_positions: int
    rope: Mapping[LayerKind, RopeConfig]
    """One entry for each kind that occurs in ``layers``."""
    bidirectional_images: bool
    """Whether the soft tokens of one image see each other both ways while encoding."""


@dataclass(frozen=True)
class VisionConfig:
    """The vision tower, and the grid on which it pools."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    patch_size: int
    pooling: int
    """Soft tokens are means over ``pooling`` × ``pooling`` patches."""
    position_table: int
    """Rows of the position table on each axis: the largest patch grid."""
    rope_theta: float
    rms_norm_eps: float
    standardize: bool

    @property
    def patch_dim(self) -> int:
        """Values of one flattened RGB patch."""
        return 3 * self.patch_size**2

    def inverse_frequencies(self) -> npt.NDArray[np.float32]:
        """Radians a patch of one axis, [head_dim/4]; the first half of a head turns with x, the second with y."""
        return inverse_powers(self.rope_theta, self.head_dim // 2, self.head_dim // 4)


@dataclass(frozen=True)
class ModelConfig:
    """A whole checkpoint. The image ids lie inside the vocabulary wherever there is a vision tower."""

    text: TextConfig
    vision: VisionConfig | None
    canvas_length: int
    begin_image_id: int
    image_id: int
    end_image_id: int
