"""Writes engines/nano/golden: real prompts as replay cases with the reference's answers, for `dgemma verify`.

`python training/golden.py` (needs torch). A case is what the runtime itself did on a fresh scene, step by step: its
prompt, its noise and its canvases. CASE.npz is the input, CASE.expected.npz what transformers computes on it; the
format is the project's replay case.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from dgemma_ros.checkpoint.config import media_ids
from dgemma_ros.generation.canvas_loop import LogitsMask, denoise
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime.contract import Feeds, StepResult
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from dgemma_ros.runtime.sequence import Sequence
from tests.oracle import reference
from training import evaluate, prompt

STEPS = 3
FRAMES = {"go_on": 1, "moved": 2, "clear": 1, "edit_drop": 1}  # kinds, and pictures of each: they are what takes room
_LEFT_OUT = ("logits", "key_", "value_")


def question(kind: str, seed: int = 2024) -> evaluate.Question:
    """The first fresh scene of a kind with so many frames as `FRAMES` says."""
    asked = evaluate.questions(seed, 40, kinds=(kind,))
    return next(q for q in asked if len(q.pictures) == FRAMES[kind])


def case(model: Model, asked: evaluate.Question) -> dict[str, np.ndarray]:
    """The prompt, and canvases as the runtime's own loop presents them (teacher forcing)."""
    ids = np.array(model.chat.tokenizer.encode(prompt.system_text() + asked.text, trusted=True), np.int64)
    types = (ids == model.config.image_id).astype(np.int64)
    prepared = [model.images.prepare(picture) for picture in asked.pictures]
    noise = Noise(7, model.config.canvas_length, model.config.text.vocab_size)
    sampling = Sampling.of(model.generation, STEPS)
    numbers = [noise.step(0, step) for step in range(STEPS)]
    arrays = {
        "input_ids": ids,
        "token_types": types,
        "chunks": _chunks(types),
        "patches": np.stack([p.patches for p in prepared]),
        "patch_positions": np.stack([p.positions for p in prepared]),
        "uniform": np.stack([u for u, _ in numbers]),
        "random_tokens": np.stack([r for _, r in numbers]),
        "temperature": np.array([sampling.temperature(step) for step in range(STEPS)], np.float64),
        "entropy_bound": np.float64(sampling.entropy_bound),
        "stability": np.int64(sampling.stability),
        "confidence": np.float64(sampling.confidence),
        "disallowed_ids": np.array(sorted(media_ids(model.folder, model.config)), np.int64),
    }
    sequence = model.sequence()
    soft = np.concatenate([model.soft_tokens(p.patches, p.positions) for p in prepared])
    sequence.append(ids, types, soft, arrays["chunks"])
    recorded = Recorded(sequence)
    endless = replace(sampling, confidence=0.0)  # never sure enough to stop
    denoise(recorded, endless, noise, mask=LogitsMask(model.allowed))  # type: ignore[arg-type]
    arrays["canvas"] = np.stack(recorded.shown)
    return arrays


class Recorded:
    """A sequence whose canvases are kept as they are presented, step by step."""

    def __init__(self, sequence: Sequence):
        self._sequence = sequence
        self.shown: list[np.ndarray] = []

    def open_canvas(self, feeds: Feeds) -> Recorded:
        self._canvas = self._sequence.open_canvas(feeds)
        return self

    def step(self, feeds: Feeds) -> StepResult:
        self.shown.append(feeds["canvas"].copy())
        return self._canvas.step(feeds)


def _chunks(types: np.ndarray, most: int = 128) -> np.ndarray:
    """Lengths of at most `most` tokens that cut no picture."""
    lengths, start = [], 0
    while start < len(types):
        end = min(start + most, len(types))
        while end < len(types) and types[end - 1] == 1 and types[end] == 1:
            end -= 1
        lengths.append(end - start)
        start = end
    return np.array(lengths, np.int64)


def main() -> None:
    folder = prompt.NANO / "golden"
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.npz"):
        stale.unlink()
    model, judge = open_model(prompt.NANO, threads=1), reference.load(prompt.NANO)
    for kind in FRAMES:
        made = case(model, question(kind))
        told = reference.replay(judge, prompt.NANO, made)
        # Pictures are bytes / 255; the model computes on float32, so they are stored as such and compress well.
        np.savez_compressed(folder / f"{kind}.npz", **made)
        np.savez_compressed(
            folder / f"{kind}.expected.npz", **{k: v for k, v in told.items() if not k.startswith(_LEFT_OUT)}
        )
    print(f"{sum(f.stat().st_size for f in folder.iterdir()) / 1e3:.0f} kB in {folder}")


if __name__ == "__main__":
    main()
