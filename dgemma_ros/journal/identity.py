"""What tells one model's memory from another's: a digest of all that tokens and cache depend on."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from dgemma_ros.context.prompt import Pieces
from dgemma_ros.errors import CheckpointError
from dgemma_ros.graphs import manifest
from dgemma_ros.model import Model

FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "processor_config.json",
)
"""Those of a model's folder that say what tokens and pictures mean."""


def model_digest(model: Model) -> str:
    """Of the small files, whole, and of every tensor's place, type and fingerprint; 64 hexadecimal digits.

    Reads megabytes of the weights. Two folders with the same content have the same. Raises :class:`CheckpointError`.
    """
    if model.weights is None:
        raise CheckpointError(f"{model.folder}: has no weights, so nobody could tell its memory from another model's")
    tensors = model.weights.tensors
    described = manifest.describe(model.folder, {name: tensors.entry(name) for name in tensors}, {})
    weights = {
        name: [record.entry.dtype, list(record.entry.shape), record.fingerprint]
        for name, record in described.tensors.items()
    }
    content = {
        "files": manifest.hashes(model.folder, FILES),
        "layers": len(model.config.text.layers),
        "dtype": model.dtype,
        "weights": weights,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def system_digest(pieces: Pieces) -> str:
    """Of the system turn's ids: rows behind one do not fit behind another."""
    return hashlib.sha256(pieces.system.astype("<i8").tobytes()).hexdigest()
