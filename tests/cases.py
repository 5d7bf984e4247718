"""Random replay cases for a checkpoint, in the format of shared/INTERFACES.md; numpy only, the same everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dgemma_ros.checkpoint.config import ModelConfig
from tests.tiny import Noise

Case = dict[str, np.ndarray]


def make_case(
    config: ModelConfig,
    seed: int,
    prompt: int = 20,
    images: int = 0,
    steps: int = 4,
    pieces: int = 3,
    pinned: bool = False,
    disallowed: bool = False,
    own_canvas: bool = True,
    vision_mask: str | None = None,
) -> Case:
    """A case of about ``prompt`` text tokens, with so many pictures among them, in at most ``pieces`` chunks.

    ``own_canvas`` False gives all steps but the first a canvas near the one before, as denoising would.
    """
    noise = Noise("case", seed)
    text, length, vocab = config.text, config.canvas_length, config.text.vocab_size
    case: Case = {}
    ids, types = [noise.integers(0, vocab, (prompt,))], [np.zeros(prompt, np.int64)]
    if images:
        ids, types, case["patches"], case["patch_positions"] = _with_images(config, noise, ids[0], images)
    case["input_ids"], case["token_types"] = np.concatenate(ids), np.concatenate(types)
    case["chunks"] = _chunks(noise, case["token_types"], pieces)
    canvas = noise.integers(0, vocab, (steps, length))
    if not own_canvas:
        for step in range(1, steps):
            keep = noise.uniform((length,)) < 0.7
            canvas[step] = np.where(keep, canvas[step - 1], canvas[step])
    case["canvas"] = canvas
    case["uniform"] = noise.uniform((steps, length))
    case["random_tokens"] = noise.integers(0, vocab, (steps, length))
    case["temperature"] = 0.4 + 0.4 * np.arange(steps, 0, -1) / max(steps, 1)
    case["entropy_bound"] = np.float64((0.1, 0.5, 2.0, 8.0)[noise.integer(0, 4)])
    case["stability"] = np.int64(noise.integer(0, 3))
    case["confidence"] = np.float64((0.005, 0.3, 3.0)[noise.integer(0, 3)])
    if pinned:
        case["pin"] = noise.uniform((length,)) < 0.3
        case["pin_ids"] = noise.integers(0, vocab, (length,))
        case["canvas"] = np.where(case["pin"], case["pin_ids"], case["canvas"])
    if disallowed:
        case["disallowed_ids"] = np.unique(noise.integers(0, text.vocab_size, (text.vocab_size // 8,)))
    if vision_mask is not None:
        case["vision_mask"] = np.array(vision_mask)
    return case


def _with_images(
    config: ModelConfig, noise: Noise, text: np.ndarray, images: int
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """Pictures of 1…3 × 1…3 cells at random places of the text: begin, soft tokens, end."""
    vision = config.vision
    assert vision is not None
    cuts = np.sort(noise.integers(0, len(text) + 1, (images,)))
    parts = np.split(text, cuts)
    sizes = [(noise.integer(1, 4), noise.integer(1, 4)) for _ in range(images)]
    most = max(w * h for w, h in sizes) * vision.pooling**2
    patches = np.zeros((images, most, vision.patch_dim), np.float32)
    positions = np.full((images, most, 2), -1, np.int64)
    ids, types = [parts[0]], [np.zeros(len(parts[0]), np.int64)]
    for i, (w, h) in enumerate(sizes):
        width, height = w * vision.pooling, h * vision.pooling
        used = width * height
        patches[i, :used] = noise.uniform((used, vision.patch_dim))
        positions[i, :used] = [(x, y) for y in range(height) for x in range(width)]
        span = [config.begin_image_id, *[config.image_id] * (w * h), config.end_image_id]
        ids += [np.array(span, np.int64), parts[i + 1]]
        types += [np.array([0, *[1] * (w * h), 0], np.int64), np.zeros(len(parts[i + 1]), np.int64)]
    return ids, types, patches, positions


def _chunks(noise: Noise, types: np.ndarray, pieces: int) -> np.ndarray:
    """Lengths that sum to the prompt's; never a cut between two soft tokens of one image."""
    allowed = [i for i in range(1, len(types)) if not (types[i - 1] == 1 and types[i] == 1)]
    wanted = min(pieces - 1, len(allowed))
    cuts = sorted({allowed[i] for i in noise.integers(0, len(allowed), (wanted,))}) if wanted else []
    return np.diff([0, *cuts, len(types)]).astype(np.int64)


GOLDEN = Path(__file__).parent / "golden"


def golden() -> list[str]:
    """Names of the golden cases, each ``TINY-KIND``; tests/oracle/golden.py makes them."""
    return sorted(file.name.removesuffix(".expected.npz") for file in GOLDEN.glob("*.expected.npz"))


def load_golden(name: str) -> tuple[str, Case, Case]:
    """The tiny checkpoint's name (in ``tests.tiny.TINIES``), the case, and the reference's answers."""
    with np.load(GOLDEN / f"{name}.npz") as case, np.load(GOLDEN / f"{name}.expected.npz") as expected:
        return name.rpartition("-")[0], dict(case), dict(expected)
