"""A checkpoint for tests of the nodes: nano's configuration, tokenizer and template with random weights.

It never converges, so how long a plan takes is set by ``max_steps`` and the budget alone; its plans are nonsense.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import ml_dtypes

from dgemma_ros.checkpoint.config import load_config
from dgemma_ros.checkpoint.weights import expected_shapes
from tests.checkpoint_files import write_safetensors
from tests.tiny import Tiny, weight

NANO = Path(__file__).parents[2] / "engines" / "nano"


def make(folder: Path) -> Path:
    """Writes the checkpoint into ``folder`` and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*NANO.glob("*.json"), *NANO.glob("*.jinja"), NANO / "skills.yaml"):
        if not file.name.endswith(".index.json"):
            shutil.copy(file, folder / file.name)
    config = load_config(folder)
    tiny = Tiny(hidden=config.text.hidden_size)
    weights = {name: weight(tiny, name, shape) for name, shape in expected_shapes(config).items()}
    write_safetensors(folder / "model.safetensors", {k: v.astype(ml_dtypes.bfloat16) for k, v in weights.items()})
    return folder
