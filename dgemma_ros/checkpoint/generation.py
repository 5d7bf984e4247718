"""generation_config.json: how a checkpoint wants to be sampled, and which tokens must never be drawn."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from dgemma_ros.checkpoint.architecture import ModelConfig
from dgemma_ros.checkpoint.fields import Section, shown

CONFIG_FILE: Final = "config.json"
GENERATION_FILE: Final = "generation_config.json"
CONFIDENCE_FILE: Final = "confidence.json"
MEMORY_FILE: Final = "memory.json"
DEFAULT_NEW_TOKENS: Final = 256


@dataclass(frozen=True)
class Calibration:
    """What an entropy says of being right: a logistic curve over its logarithm, fitted on what training never saw.

    From confidence.json beside generation_config.json, in which transformers suffers no unknown key: ``{"offset": …,
    "slope": …, "entropy": "highest"}``.
    """

    offset: float
    slope: float
    highest: bool = False
    """Whether a token's entropy is the highest that it had in any step of its canvas, not that of the last step: a
    model that is done in a few steps hesitates in the first one over what it gets wrong in the end."""
    FLOOR: ClassVar[float] = 1e-4
    """Nats: below it, entropies differ by rounding only."""

    def __call__(self, entropy: float) -> float:
        """The share of right answers, 0 … 1, among those whose least sure token has this entropy, in nats."""
        return 1.0 / (1.0 + math.exp(-(self.offset - self.slope * math.log(self.FLOOR + max(0.0, entropy)))))


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
    max_length: int | None = None
    """Of prompt and answer together; None for no such limit."""
    calibration: Calibration | None = None
    """None: a call's confidence is exp(−entropy) of its least sure token."""
    max_frames: int = 0
    """Frames with which the model was found good, from memory.json: ``{"max_frames": …}``; 0 where nobody says."""

    def new_tokens(self, prompt: int) -> int:
        """How many tokens may follow a prompt of that many: as in the reference, rounded up to canvases by the caller.

        ``max_length`` takes the place of ``max_new_tokens`` where that has the reference's default.
        """
        if self.max_length is None:
            return self.max_new_tokens
        left = max(0, self.max_length - prompt)
        return left if self.max_new_tokens == DEFAULT_NEW_TOKENS else min(left, self.max_new_tokens)


def load_generation_config(folder: Path, config: ModelConfig) -> GenerationConfig:
    """The checkpoint's generation_config.json, and confidence.json and memory.json where they are.

    A missing file or key takes the reference's default.

    Special ids depend on the vocabulary, so where that file lacks them config.json is asked, then its text_config.
    Raises :class:`CheckpointError` naming file and field.
    """
    path = Path(folder) / GENERATION_FILE
    # transformers writes unset keys as null: the same as absent.
    values = {} if not path.exists() else Section.of_file(path).values
    given = Section(path, {key: value for key, value in values.items() if value is not None})
    root = Section.of_file(Path(folder) / CONFIG_FILE)
    text = root.section("text_config")

    def holder(key: str) -> Section:
        """The first section that has the key and not as null; an empty one where none has."""
        return next((section for section in (given, root, text) if key in section), Section(path, {}))

    highest = config.text.vocab_size - 1
    sampler = given.section("sampler_config", {})
    if (name := sampler.raw("_cls_name", "EntropyBoundSamplerConfig")) != "EntropyBoundSamplerConfig":
        sampler.fail("_cls_name", f"{shown(name)} is not supported; only EntropyBoundSamplerConfig is")
    t_min = given.number("t_min", 0.0, 1e3, 0.4)  # the last step's temperature is above it
    t_max = given.number("t_max", 1e-6, 1e3, 0.8)
    if t_max <= t_min:
        given.fail("t_max", f"{t_max:g} must be above t_min ({t_min:g})")
    return GenerationConfig(
        eos_ids=_read_eos(holder("eos_token_id"), highest),
        pad_id=holder("pad_token_id").integer("pad_token_id", 0, highest, 0),
        bos_id=holder("bos_token_id").integer("bos_token_id", 0, highest, min(2, highest)),
        max_steps=given.integer("max_denoising_steps", 1, 100_000, 48),
        t_min=t_min,
        t_max=t_max,
        entropy_bound=sampler.number("entropy_bound", 1e-12, 1e6, 0.1),
        stability=given.integer("stability_threshold", 0, 1000, 1),
        confidence=given.number("confidence_threshold", 1e-12, 1e6, 0.005),
        max_new_tokens=given.integer("max_new_tokens", 1, 1 << 28, DEFAULT_NEW_TOKENS),
        max_length=given.integer("max_length", 1, 1 << 28) if "max_length" in given else None,
        calibration=_read_calibration(Path(folder) / CONFIDENCE_FILE),
        max_frames=_read_frames(Path(folder) / MEMORY_FILE),
    )


def _read_calibration(file: Path) -> Calibration | None:
    if not file.exists():
        return None
    fitted = Section.of_file(file)
    entropy = fitted.string("entropy", "last")
    if entropy not in ("last", "highest"):
        fitted.fail("entropy", f"{shown(entropy)} is neither 'last' nor 'highest'")
    return Calibration(fitted.number("offset", -50.0, 50.0), fitted.number("slope", 0.0, 50.0), entropy == "highest")


def _read_frames(file: Path) -> int:
    return Section.of_file(file).integer("max_frames", 1, 1_000_000) if file.exists() else 0


def _read_eos(given: Section, highest: int) -> tuple[int, ...]:
    value = given.raw("eos_token_id", 1)
    tokens = value if isinstance(value, list) else [value]
    numbered = Section(given.file, {f"eos_token_id[{i}]": token for i, token in enumerate(tokens)})
    return tuple(dict.fromkeys(numbered.integer(key, 0, highest) for key in numbered.values))


_MEDIA_KEY: Final = re.compile(r"(?:image|audio|video|boi|eoi|boa|eoa)_token_(?:id|index)")
_MEDIA_TOKEN: Final = re.compile(r"<\|?(?:image|audio|video)\|?>")


def media_ids(folder: Path, config: ModelConfig) -> tuple[int, ...]:
    """Ids, ascending, that stand for media and must never be drawn.

    They are the ids that config.json names as media (image_token_id, boi_token_id, audio_token_id, …) and the special
    tokens of tokenizer.json that are written as media, e.g. ``<|image>`` or ``<audio|>``, where there is that file.
    """
    ids = {config.begin_image_id, config.image_id, config.end_image_id}
    root = Section.of_file(Path(folder) / CONFIG_FILE)
    ids.update(root.integer(key, 0) for key in root.values if _MEDIA_KEY.fullmatch(key) and key in root)
    path = Path(folder) / "tokenizer.json"
    if path.exists():
        ids.update(_media_tokens(Section.of_file(path)))
    return tuple(sorted(token for token in ids if token < config.text.vocab_size))


def _media_tokens(tokenizer: Section) -> list[int]:
    found = []
    for index, token in enumerate(tokenizer.items("added_tokens", [])):
        if not isinstance(token, dict):
            tokenizer.fail(f"added_tokens[{index}]", f"{shown(token)} is not a JSON object")
        entry = Section(tokenizer.file, token, f"added_tokens[{index}]")
        if entry.boolean("special", False) and _MEDIA_TOKEN.fullmatch(entry.string("content")):
            found.append(entry.integer("id", 0))
    return found
