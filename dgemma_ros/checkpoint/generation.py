"""generation_config.json: how a checkpoint wants to be sampled, and which tokens must never be drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dgemma_ros.checkpoint.architecture import ModelConfig
from dgemma_ros.checkpoint.fields import Section, load_json, shown
from dgemma_ros.errors import CheckpointError

CONFIG_FILE: Final = "config.json"
GENERATION_FILE: Final = "generation_config.json"


@dataclass(frozen=True)
class GenerationConfig:
    """Defaults of one canvas's denoising; a call may override each of them."""

    eos_ids: tuple[int, ...]
    """After the first of these in a canvas the rest is padding."""
    pad_id: int
    bos_id: int
    max_steps: int
    t_min: float
    t_max: float
    """The temperature falls linearly from about ``t_max`` to ``t_min`` over the steps."""
    entropy_bound: float
    """Nats that the accepted positions' entropies may sum to, the largest left out."""
    stability: int
    """Steps for which the argmax canvas must not have changed; 0 asks for confidence alone."""
    confidence: float
    """Nats below which the mean entropy of a canvas counts as sure."""
    max_new_tokens: int


def load_generation_config(folder: Path, config: ModelConfig) -> GenerationConfig:
    """The checkpoint's generation_config.json; a missing file or key takes the reference's default.

    Special ids depend on the vocabulary, so where that file lacks them config.json's text_config is asked.
    Raises :class:`CheckpointError` naming file and field.
    """
    path = Path(folder) / GENERATION_FILE
    # transformers writes unset keys as null: the same as absent.
    values = {} if not path.exists() else Section.of_file(path).values
    given = Section(path, {key: value for key, value in values.items() if value is not None})
    text = Section.of_file(Path(folder) / CONFIG_FILE).section("text_config")
    highest = config.text.vocab_size - 1
    sampler = given.section("sampler_config", {})
    if (name := sampler.raw("_cls_name", "EntropyBoundSamplerConfig")) != "EntropyBoundSamplerConfig":
        sampler.fail("_cls_name", f"{shown(name)} is not supported; only EntropyBoundSamplerConfig is")
    t_min = given.number("t_min", 1e-6, 1e3, 0.4)
    t_max = given.number("t_max", 1e-6, 1e3, 0.8)
    if t_max <= t_min:
        given.fail("t_max", f"{t_max:g} must be above t_min ({t_min:g})")
    return GenerationConfig(
        eos_ids=_read_eos(given if "eos_token_id" in given else text, highest),
        pad_id=(given if "pad_token_id" in given else text).integer("pad_token_id", 0, highest, 0),
        bos_id=(given if "bos_token_id" in given else text).integer("bos_token_id", 0, highest, min(2, highest)),
        max_steps=given.integer("max_denoising_steps", 1, 100_000, 48),
        t_min=t_min,
        t_max=t_max,
        entropy_bound=sampler.number("entropy_bound", 1e-12, 1e6, 0.1),
        stability=given.integer("stability_threshold", 0, 1000, 1),
        confidence=given.number("confidence_threshold", 1e-12, 1e6, 0.005),
        max_new_tokens=given.integer("max_new_tokens", 1, 1 << 28, 256),
    )


def _read_eos(given: Section, highest: int) -> tuple[int, ...]:
    value = given.raw("eos_token_id", 1)
    tokens = value if isinstance(value, list) else [value]
    numbered = Section(given.file, {f"eos_token_id[{i}]": token for i, token in enumerate(tokens)})
    return tuple(dict.fromkeys(numbered.integer(key, 0, highest) for key in numbered.values))


_MEDIA_TOKEN: Final = re.compile(r"<\|?(?:image|audio|video)\|?>")


def media_ids(folder: Path, config: ModelConfig) -> tuple[int, ...]:
    """Ids, ascending, that stand for media and must never be drawn.

    They are the three image ids of config.json and every special token of tokenizer.json that is written as image,
    audio or video, e.g. ``<|image>`` or ``<audio|>``. A folder without tokenizer.json has the three only.
    """
    ids = {config.begin_image_id, config.image_id, config.end_image_id}
    path = Path(folder) / "tokenizer.json"
    if path.exists():
        ids.update(_media_tokens(path))
    return tuple(sorted(token for token in ids if token < config.text.vocab_size))


def _media_tokens(path: Path) -> list[int]:
    content: Any = load_json(path)
    added = content.get("added_tokens", []) if isinstance(content, dict) else None
    if not isinstance(added, list):
        raise CheckpointError(f"{path}: added_tokens: not an array; download the file again")
    entries = [Section(path, token, f"added_tokens[{i}]") for i, token in enumerate(added) if isinstance(token, dict)]
    return [
        entry.integer("id", 0, 1 << 31)
        for entry in entries
        if entry.raw("special", False) and _MEDIA_TOKEN.fullmatch(entry.string("content"))
    ]
