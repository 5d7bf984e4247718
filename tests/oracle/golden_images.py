"""Remakes tests/data/images.json from the reference's image processor: ``python -m tests.oracle.golden_images``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

from tests.photographs import NAMES, view

TARGET = Path(__file__).parents[1] / "data" / "images.json"
CASES = [
    *((name, size, 70) for name in NAMES for size in ("whole", "VGA", "HD")),
    *((NAMES[0], "VGA", budget) for budget in (140, 280, 560, 1120)),
    *((NAMES[1], "HD", budget) for budget in (280, 1120)),
    *((NAMES[2], size, 140) for size in ("tall", "thin", "small")),
]


def reference(picture: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The reference's patches, positions (both without padding) and soft tokens for an RGB picture."""
    processor = Gemma4ImageProcessorPil(max_soft_tokens=budget)
    batch = processor(Image.fromarray(picture), return_tensors="np")
    positions = batch["image_position_ids"][0]
    real = (positions >= 0).all(axis=1)
    return batch["pixel_values"][0][real], positions[real], int(batch["num_soft_tokens_per_image"][0])


def main() -> None:
    cases = []
    for name, size, budget in CASES:
        patches, positions, soft_tokens = reference(view(name, size), budget)
        samples = np.linspace(0, patches.size - 1, 8).astype(int)
        cases.append(
            {
                "photograph": name,
                "view": size,
                "budget": budget,
                "soft_tokens": soft_tokens,
                "patches": list(patches.shape),
                "last_position": positions[-1].tolist(),
                "sha256": hashlib.sha256(np.ascontiguousarray(patches, np.float32).tobytes()).hexdigest(),
                "samples": [round(float(value) * 255) for value in patches.ravel()[samples]],
            }
        )
    text = ",\n".join(json.dumps(case) for case in cases)
    TARGET.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print(f"{TARGET}: {len(cases)} cases")


if __name__ == "__main__":
    main()
