"""generation_config.json and what stands beside it: end tokens, sampling, media tokens, what confidence means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dgemma_ros.checkpoint.config import (
    load_config,
    load_generation_config,
    media_ids,
)
from dgemma_ros.errors import CheckpointError
from tests.tiny import TINIES, make

RELEASED = Path(__file__).parent.parent / "data" / "config-26b.json"
NANO = Path(__file__).resolve().parents[2] / "engines" / "nano"


def test_generation_config(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["plain"])
    config = load_config(folder)
    given = load_generation_config(folder, config)
    assert given.eos_ids == (1, 3) and given.max_steps == 12 and given.entropy_bound == 0.4
    (folder / "generation_config.json").write_text('{"t_min": null, "sampler_config": null, "eos_token_id": 7}')
    sparse = load_generation_config(folder, config)
    assert sparse.eos_ids == (7,) and (sparse.t_min, sparse.t_max, sparse.entropy_bound) == (0.4, 0.8, 0.1)
    (folder / "generation_config.json").unlink()
    default = load_generation_config(folder, config)
    assert default.eos_ids == (1,) and default.bos_id == 2 and default.pad_id == 0
    assert (default.max_steps, default.stability, default.confidence) == (48, 1, 0.005)
    values = json.loads((folder / "config.json").read_text()) | {"eos_token_id": [1, 6]}
    (folder / "config.json").write_text(json.dumps(values))
    assert load_generation_config(folder, config).eos_ids == (1, 6)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"t_min": 0.9}, "t_max"),
        ({"t_min": -0.1}, "t_min"),
        ({"max_denoising_steps": 0}, "max_denoising_steps"),
        ({"max_denoising_steps": 2.5}, "max_denoising_steps"),
        ({"sampler_config": {"_cls_name": "Other"}}, "Other"),
        ({"sampler_config": {"entropy_bound": 0}}, "sampler_config.entropy_bound"),
        ({"eos_token_id": [1, 97]}, r"eos_token_id\[1\]"),
        ({"eos_token_id": "1"}, "eos_token_id"),
        ({"pad_token_id": -1}, "pad_token_id"),
        ({"stability_threshold": -1}, "stability_threshold"),
        ({"confidence_threshold": "low"}, "confidence_threshold"),
    ],
)
def test_refused_generation_config(values: dict[str, Any], why: str, tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["plain"])
    (folder / "generation_config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=why) as caught:
        load_generation_config(folder, load_config(folder))
    assert "generation_config.json" in str(caught.value)


def test_media_ids(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["images"])
    config = load_config(folder)
    assert media_ids(folder, config) == (125, 126, 127)
    added = [
        {"id": 9, "content": "<|audio|>", "special": True},
        {"id": 10, "content": "<video|>", "special": True},
        {"id": 11, "content": "<|turn>", "special": True},
        {"id": 12, "content": "<|image|>", "special": False},
        {"id": 4000, "content": "<|video|>", "special": True},
    ]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    assert media_ids(folder, config) == (9, 10, 125, 126, 127)
    values = json.loads((folder / "config.json").read_text()) | {"audio_token_id": 20, "eoa_token_index": 21}
    (folder / "config.json").write_text(json.dumps(values | {"boa_token_id": None}))
    assert media_ids(folder, config) == (9, 10, 20, 21, 125, 126, 127)
    (folder / "tokenizer.json").write_text('{"added_tokens": [3]}')
    with pytest.raises(CheckpointError, match=r"tokenizer.json: added_tokens\[0\]"):
        media_ids(folder, config)


def test_media_ids_of_the_released_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(RELEASED.read_text())
    names = {"<|image>": 255_999, "<|audio>": 256_000, "<|image|>": 258_880, "<|audio|>": 258_881}
    names |= {"<image|>": 258_882, "<audio|>": 258_883, "<|video|>": 258_884, "<|turn>": 105}
    added = [{"id": number, "content": name, "special": True} for name, number in names.items()]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    found = media_ids(tmp_path, load_config(tmp_path))
    assert found == (255_999, 256_000, 258_880, 258_881, 258_882, 258_883, 258_884)


def test_a_checkpoint_may_say_what_its_confidence_means(tmp_path: Path) -> None:
    config = load_config(NANO)
    file = tmp_path / "confidence.json"
    for name in ("config.json", "generation_config.json"):
        (tmp_path / name).write_text((NANO / name).read_text())
    assert load_generation_config(tmp_path, config).calibration is None
    file.write_text(json.dumps({"offset": 1.0, "slope": 0.5}))
    told = load_generation_config(tmp_path, config).calibration
    assert told is not None
    confidences = [told(entropy) for entropy in (0.0, 1e-3, 0.1, 2.0, -1.0)]
    assert confidences[:4] == sorted(confidences[:4], reverse=True) and confidences[4] == confidences[0]
    assert all(0 < c < 1 for c in confidences)
    assert not told.highest
    file.write_text(json.dumps({"offset": 1.0, "slope": 0.5, "entropy": "highest"}))
    highest = load_generation_config(tmp_path, config).calibration
    assert highest is not None and highest.highest
    for wrong, name in (({"offset": 1.0}, "slope"), ({"offset": 1.0, "slope": 0.5, "entropy": "first"}, "entropy")):
        file.write_text(json.dumps(wrong))
        with pytest.raises(CheckpointError, match=rf"confidence\.json: {name}"):
            load_generation_config(tmp_path, config)
