"""Remakes tests/golden: replay cases with the reference's answers, for `make test`, which has no reference.

    python -m tests.oracle.golden            # writes tests/golden/NAME-CASE.npz and NAME-CASE.expected.npz

The checkpoints themselves are not stored: tests/tiny.py remakes them bit for bit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from dgemma_ros.checkpoint.config import ModelConfig, load_config
from tests.cases import Case, make_case
from tests.oracle import reference
from tests.tiny import TINIES, make

GOLDEN = Path(__file__).parent.parent / "golden"


def cases(config: ModelConfig) -> Iterator[tuple[str, Case, bool]]:
    """Name, case, and whether logits and caches are worth their kilobytes."""
    yield "text", make_case(config, 1, prompt=9, steps=2, pieces=1), True
    yield "long", make_case(config, 2, prompt=60, steps=3, pieces=5, own_canvas=False), False
    yield "pins", make_case(config, 3, prompt=5, steps=4, pinned=True, disallowed=True), False
    if config.vision is not None:
        yield "image", make_case(config, 4, prompt=14, images=2, steps=2, pieces=3), True
        yield "gemma", make_case(config, 5, prompt=20, images=1, steps=2, pieces=2, vision_mask="gemma"), False


def main() -> None:
    torch.set_num_threads(1)
    GOLDEN.mkdir(exist_ok=True)
    for stale in GOLDEN.glob("*.npz"):
        stale.unlink()
    for name, tiny in TINIES.items():
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = make(Path(folder), tiny)
            model = reference.load(checkpoint)
            for kind, case, whole in cases(load_config(checkpoint)):
                expected = reference.replay(model, checkpoint, case)
                if not whole:
                    expected = {k: v for k, v in expected.items() if not k.startswith(("logits", "key_", "value_"))}
                np.savez_compressed(GOLDEN / f"{name}-{kind}.npz", **case)
                np.savez_compressed(GOLDEN / f"{name}-{kind}.expected.npz", **expected)
    total = sum(file.stat().st_size for file in GOLDEN.iterdir())
    print(f"{len(list(GOLDEN.iterdir()))} files, {total / 1e3:.0f} kB in {GOLDEN}")


if __name__ == "__main__":
    main()
