"""What every session does on the host: rows of the embedding table, the layers' scalars, a canvas's first feeds."""

from __future__ import annotations

from typing import Final

import numpy as np

from dgemma_ros.checkpoint.config import ModelConfig
from dgemma_ros.checkpoint.weights import DECODER, EMBEDDING, ENCODER, Weights
from dgemma_ros.runtime.contract import Array, Feeds, Floats, Ints

_LANGUAGE_MODEL: Final = f"{ENCODER}.language_model"


class HostSide:
    """Immutable; the table stays over the mapped file."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self._config = config
        self._table = weights.array(EMBEDDING, None)
        self._scale = np.float32(config.text.hidden_size**0.5)
        self.encoder_scalars, self.decoder_scalars = (
            np.concatenate([weights.array(f"{side}.layers.{layer.index}.layer_scalar") for layer in config.text.layers])
            for side in (_LANGUAGE_MODEL, DECODER)
        )

    def embed_tokens(self, ids: Ints) -> Floats:
        """Scaled embeddings [S, H] of token ids, gathered from the table."""
        return np.asarray(self._table[ids], np.float32) * self._scale

    def canvas_feeds(self, feeds: Feeds) -> dict[str, Array]:
        """What holds for all steps of a canvas: ``feeds``, and for what they leave out nothing pinned or forbidden."""
        length = self._config.canvas_length
        return {
            "layer_scalars": self.decoder_scalars,
            "entropy_bound": np.zeros(1, np.float32),
            "temperature": np.ones(1, np.float32),
            "pin": np.zeros(length, np.bool_),
            "pin_ids": np.zeros(length, np.int64),
            "allowed": np.ones((1, self._config.text.vocab_size), np.bool_),
            "allowed_row": np.zeros(1, np.int64),
            **feeds,
        }
